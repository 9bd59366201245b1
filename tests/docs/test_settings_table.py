"""The settings in `docs/settings.md` are the program's settings, with their real defaults."""

import re

import pytest

from patient_visit_engine.runtime.settings import Settings
from tests.support.pages import DOCS, code_of, rows

PAGE = DOCS / "settings.md"
TABLE = {code_of(row[0]): code_of(row[1]) for row in rows(PAGE, "variable", "default", "meaning")}
FIELDS = {f"VISIT_{name.upper()}": name for name in Settings.model_fields}


def test_page_lists_every_setting_and_no_other() -> None:
    assert set(TABLE) == set(FIELDS)


@pytest.mark.parametrize("variable", sorted(FIELDS))
def test_documented_default_is_real(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in FIELDS:
        monkeypatch.delenv(other, raising=False)
    name, documented = FIELDS[variable], TABLE[variable]
    default = getattr(Settings(_env_file=None), name)

    if documented == "-":
        assert default in ("", None)
    else:
        monkeypatch.setenv(variable, documented)
        assert getattr(Settings(_env_file=None), name) == default


def test_every_setting_named_by_a_page_exists(page_text: str) -> None:
    named = set(re.findall(r"\bVISIT_[A-Z]+(?:_[A-Z]+)*\b", page_text))

    assert named - {"VISIT_JWT"} <= set(FIELDS)
