"""What an operator may write, and what the one line says when it is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from patient_visit_engine.runtime.settings import Settings, load


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
        ("VISIT_TEMPORAL_TLS", "perhaps"),
        ("VISIT_TEMPORAL_TLS_CA", "nowhere.pem"),
        ("VISIT_TEMPORAL_TLS_CA", ""),
        ("VISIT_TEMPORAL_TLS_CA", "-----BEGIN CERTIFICATE-----" * 20),
        ("VISIT_TEMPORAL_API_KEY", ""),
        ("VISIT_TEMPORAL_ADDRESS", "http://temporal:7233"),
        ("VISIT_TEMPORAL_ADDRESS", "temporal"),
        ("VISIT_TEMPORAL_ADDRESS", "my temporal:7233"),
        ("VISIT_DATABASE_URL", "postgresql+asyncpg://visit@there/visits?sslmode=require"),
        ("VISIT_JWT_ISSUER", ""),
        ("VISIT_JWT_AUDIENCE", ""),
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


@pytest.mark.parametrize(
    ("address", "named", "says"),
    [
        ("", "VISIT_TEMPORAL_TLS_CA", "VISIT_TEMPORAL_ADDRESS: must be set where TLS to Temporal is"),
        ("there:7233", "VISIT_TEMPORAL_TLS_CERT", "VISIT_TEMPORAL_TLS_CERT and VISIT_TEMPORAL_TLS_KEY go together\n"),
        ("there:7233", "VISIT_TEMPORAL_TLS_KEY", "VISIT_TEMPORAL_TLS_CERT and VISIT_TEMPORAL_TLS_KEY go together\n"),
    ],
)
def test_half_a_tls_stops_the_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
    named: str,
    says: str,
) -> None:
    (tmp_path / "file.pem").write_text("")
    monkeypatch.setenv("VISIT_TEMPORAL_ADDRESS", address)
    monkeypatch.setenv(named, "file.pem")

    with pytest.raises(SystemExit):
        load()

    said = capsys.readouterr().err
    assert said.startswith(says)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "named", ["TLS_CA=file.pem", "TLS_SERVER_NAME=temporal.example", "API_KEY=key", "TLS=1", "TLS=0"]
)
def test_whatever_belongs_to_tls_turns_it_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    (tmp_path / "file.pem").write_text("")
    monkeypatch.setenv("VISIT_TEMPORAL_ADDRESS", "there:7233")
    name, _, value = named.partition("=")
    monkeypatch.setenv(f"VISIT_TEMPORAL_{name}", value)

    assert load().temporal_is_encrypted is (named != "TLS=0")


def test_a_wrong_value_is_not_quoted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VISIT_DATABASE_URL", "mysql://user:swordfish@somewhere")

    with pytest.raises(SystemExit):
        load()

    assert "swordfish" not in capsys.readouterr().err


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that secrets are handed over in."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("VISIT_SECRETS_DIR", str(folder))
    return folder


def test_a_secret_is_read_from_the_file_of_its_name_without_the_line_end(secrets: Path) -> None:
    (secrets / "visit_jwt_secret").write_text(f"{'k' * 40}\n")

    found = load().jwt_secret

    assert found is not None
    assert found.get_secret_value() == "k" * 40


def test_a_secrets_folder_can_be_named_beside_the_environment(tmp_path: Path) -> None:
    (tmp_path / "handed").mkdir()
    (tmp_path / "handed" / "visit_jwt_issuer").write_text("from a file")
    (tmp_path / ".env").write_text("VISIT_SECRETS_DIR=handed\n")

    assert load().jwt_issuer == "from a file"


def test_the_environment_goes_before_a_file_of_secrets(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "visit_jwt_issuer").write_text("from a file")
    monkeypatch.setenv("VISIT_JWT_ISSUER", "from the environment")

    assert load().jwt_issuer == "from the environment"


def test_a_wrong_secret_is_named_as_its_variable_and_not_quoted(
    secrets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (secrets / "visit_jwt_secret").write_text("swordfish")

    with pytest.raises(SystemExit):
        load()

    said = capsys.readouterr().err
    assert said.startswith("VISIT_JWT_SECRET: ")
    assert "swordfish" not in said


def test_a_secrets_folder_that_is_not_there_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VISIT_SECRETS_DIR", "nowhere")

    with pytest.raises(SystemExit) as stopped:
        load()

    assert stopped.value.code == 2
    assert capsys.readouterr().err == "VISIT_SECRETS_DIR: not a folder\n"


def test_a_secret_that_is_no_text_stops_the_start_and_is_not_quoted(
    secrets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (secrets / "visit_jwt_secret").write_bytes(b"swordfish\xff")

    with pytest.raises(SystemExit) as stopped:
        load()

    assert stopped.value.code == 2
    assert capsys.readouterr().err == "VISIT_SECRETS_DIR: cannot be read (UnicodeDecodeError)\n"


def test_the_password_of_the_database_comes_from_a_file_of_its_own(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "visit_database_password").write_text("p@ss/word:\n")
    monkeypatch.setenv("VISIT_DATABASE_URL", "postgresql+asyncpg://visit@postgres/visits")

    settings = load()

    assert make_url(settings.database).password == "p@ss/word:"
    assert make_url(settings.database).host == "postgres"
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    "address",
    ["", "sqlite+aiosqlite:///visits.db", "postgresql+asyncpg://postgres/visits", "postgresql+asyncpg://a:b@c/visits"],
    ids=["none", "SQLite", "no user", "a password already"],
)
def test_a_password_that_the_address_has_no_use_for_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("VISIT_DATABASE_URL", address)
    monkeypatch.setenv("VISIT_DATABASE_PASSWORD", "swordfish")

    with pytest.raises(SystemExit) as stopped:
        load()

    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith("VISIT_DATABASE_PASSWORD wants ")
    assert "swordfish" not in said


def test_a_password_of_nothing_stops_the_start(secrets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (secrets / "visit_database_password").write_text("\n")

    with pytest.raises(SystemExit):
        load()

    assert capsys.readouterr().err.startswith("VISIT_DATABASE_PASSWORD: ")
