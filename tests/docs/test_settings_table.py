"""The settings of the README are those of the program, with their true defaults."""

import re

import pytest

from patient_visit_engine.runtime.settings import Settings
from tests.support.pages import README, code_of, rows

TABLE = {code_of(row[0]): code_of(row[1]) for row in rows(README, "variable", "default", "meaning")}
FIELDS = {f"VISIT_{name.upper()}": name for name in Settings.model_fields}


def test_every_setting_is_in_the_readme_and_every_one_there_exists() -> None:
    assert set(TABLE) == set(FIELDS)


@pytest.mark.parametrize("variable", sorted(FIELDS))
def test_a_settings_default_is_as_the_readme_says(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in FIELDS:
        monkeypatch.delenv(other, raising=False)
    name, told = FIELDS[variable], TABLE[variable]
    default = getattr(Settings(_env_file=None), name)

    if told == "-":
        assert default in ("", None)
    else:
        monkeypatch.setenv(variable, told)
        assert getattr(Settings(_env_file=None), name) == default


def test_every_setting_that_a_page_names_exists(page_text: str) -> None:
    named = set(re.findall(r"\bVISIT_[A-Z]+(?:_[A-Z]+)*\b", page_text))

    assert named - {"VISIT_JWT"} <= set(FIELDS)
