"""What an operator may write, and what the one line says when it is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import Settings, load


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("90", timedelta(seconds=90)), ("0.5", timedelta(seconds=0.5)), ("PT1M30S", timedelta(seconds=90))],
)
def test_a_duration_is_iso_8601_or_seconds(monkeypatch: pytest.MonkeyPatch, written: str, meant: timedelta) -> None:
    monkeypatch.setenv("VISIT_ABANDON_AFTER", written)

    assert load().abandon_after == meant


def test_every_setting_has_a_default_that_works_for_a_laptop() -> None:
    assert Settings().temporal == "127.0.0.1:7233"
    assert Settings().database.endswith("/data/visits.db")


def test_settings_are_read_from_a_file_beside_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VISIT_TIMEZONE=America/Port-au-Prince\n")

    assert load().zone.key == "America/Port-au-Prince"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VISIT_TIMEZONE", "Mars/Olympus"),
        ("VISIT_HTTP_PORT", "70000"),
        ("VISIT_OFFER_SECONDS", "soon"),
        ("VISIT_OFFER_SECONDS", "-1"),
        ("VISIT_ABANDON_AFTER", "PT25H"),
        ("VISIT_ABANDON_AFTER", "nan"),
        ("VISIT_DECISION_TIMEOUT", "0"),
        ("VISIT_DATABASE_URL", "mysql://somewhere"),
        ("VISIT_DATABASE_URL", "nonsense"),
        ("VISIT_JWT_SECRET", "short"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as stopped:
        load()

    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith(f"{variable}: ")
    assert said.count("\n") == 1


def test_a_wrong_value_is_not_quoted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VISIT_DATABASE_URL", "mysql://user:swordfish@somewhere")

    with pytest.raises(SystemExit):
        load()

    assert "swordfish" not in capsys.readouterr().err
