"""Settings: accepted values, and the one-line errors for wrong values."""

from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import make_url

from patient_visit_engine.live.limits import DEFAULT_LIMITS
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.runtime.unknown_settings import count_edits
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.state import Limits


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in an empty folder, so that no `.env` of the machine is read."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "duration"),
    [("90", timedelta(seconds=90)), ("0.5", timedelta(seconds=0.5)), ("PT1M30S", timedelta(seconds=90))],
)
def test_duration_is_iso_8601_or_seconds(monkeypatch: pytest.MonkeyPatch, text: str, duration: timedelta) -> None:
    monkeypatch.setenv("VISIT_ABANDON_AFTER", text)

    assert load_settings().abandon_after == duration


def test_defaults_work_on_a_laptop() -> None:
    assert Settings().effective_temporal_address == "127.0.0.1:7233"
    assert Settings().effective_database_url.endswith("/data/visits.db")


@pytest.mark.parametrize(
    "url",
    [
        "https://login.hospital.example/keys",
        "http://127.0.0.1:8080/keys",
        "http://[::1]:8080/keys",
        "http://localhost/keys",
    ],
)
def test_key_server_is_https_or_on_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("VISIT_JWT_JWKS_URL", url)

    assert load_settings().jwt_jwks_url == url


def test_default_of_streams_per_user_is_the_hubs() -> None:
    assert Settings().streams_per_user == DEFAULT_LIMITS.max_streams_per_user


@pytest.mark.parametrize(("value", "day_starts"), [("00:00", time(0)), ("23:59", time(23, 59))])
def test_day_starts_at_a_local_time(monkeypatch: pytest.MonkeyPatch, value: str, day_starts: time) -> None:
    monkeypatch.setenv("VISIT_DAY_STARTS", value)
    monkeypatch.setenv("VISIT_TIMEZONE", "Asia/Tokyo")

    assert load_settings().calendar == HospitalCalendar(ZoneInfo("Asia/Tokyo"), day_starts)


def test_reads_settings_from_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VISIT_TIMEZONE=America/Port-au-Prince\n")

    assert load_settings().zone.key == "America/Port-au-Prince"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VISIT_TIMEZONE", "Mars/Olympus"),
        ("VISIT_HTTP_PORT", "70000"),
        ("VISIT_OFFER_SECONDS", "soon"),
        ("VISIT_OFFER_SECONDS", "-1"),
        ("VISIT_CALL_SECONDS", "9.9"),
        ("VISIT_CALL_SECONDS", "3601"),
        ("VISIT_DOCTOR_BUSY", "perhaps"),
        ("VISIT_ABANDON_AFTER", "PT25H"),
        ("VISIT_SWEEP_EVERY", "121"),
        ("VISIT_OPEN_AHEAD", "-1"),
        ("VISIT_OPEN_AHEAD", "PT3H"),
        ("VISIT_ABANDON_AFTER", "nan"),
        ("VISIT_DAY_STARTS", "4"),
        ("VISIT_DAY_STARTS", "24:00"),
        ("VISIT_DAY_STARTS", "04:00:30"),
        ("VISIT_DAY_STARTS", "04:00+01:00"),
        ("VISIT_DAY_STARTS", ""),
        ("VISIT_NOT_SEEN_AFTER", "PT0S"),
        ("VISIT_NOT_SEEN_AFTER", "PT49H"),
        ("VISIT_DECISION_TIMEOUT", "0"),
        ("VISIT_START_VALID_FOR", "0"),
        ("VISIT_DATABASE_URL", "mysql://somewhere"),
        ("VISIT_DATABASE_URL", "nonsense"),
        ("VISIT_JWT_SECRET", "short"),
        ("VISIT_TRUSTED_PROXIES", "*"),
        ("VISIT_TRUSTED_PROXIES", "proxy.hospital.example"),
        ("VISIT_STREAMS_PER_USER", "0"),
        ("VISIT_STREAMS_PER_USER", "10001"),
        ("VISIT_COMMANDS_PER_MINUTE", "-1"),
        ("VISIT_COMMANDS_PER_MINUTE", "100001"),
        ("VISIT_JWT_JWKS_URL", ""),
        ("VISIT_JWT_JWKS_URL", "login.hospital.example/keys"),
        ("VISIT_JWT_JWKS_URL", "http://login.hospital.example/keys"),
        ("VISIT_JWT_JWKS_URL", "http://127.0.0.1.evil.example/keys"),
        ("VISIT_JWT_JWKS_URL", "file:///etc/passwd"),
        ("VISIT_JWT_JWKS_URL", "https:///keys"),
        ("VISIT_JWT_JWKS_URL", "https://login.hospital.example:port/keys"),
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
def test_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as exit_info:
        load_settings()

    error = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert error.startswith(f"{variable}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "variable", "message"),
    [
        ("", "VISIT_TEMPORAL_TLS_CA", "VISIT_TEMPORAL_ADDRESS: must be set for TLS to Temporal"),
        (
            "there:7233",
            "VISIT_TEMPORAL_TLS_CERT",
            "VISIT_TEMPORAL_TLS_CERT and VISIT_TEMPORAL_TLS_KEY go together: set both or neither\n",
        ),
        (
            "there:7233",
            "VISIT_TEMPORAL_TLS_KEY",
            "VISIT_TEMPORAL_TLS_CERT and VISIT_TEMPORAL_TLS_KEY go together: set both or neither\n",
        ),
    ],
)
def test_incomplete_tls_stops_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
    variable: str,
    message: str,
) -> None:
    (tmp_path / "file.pem").write_text("")
    monkeypatch.setenv("VISIT_TEMPORAL_ADDRESS", address)
    monkeypatch.setenv(variable, "file.pem")

    with pytest.raises(SystemExit):
        load_settings()

    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "setting", ["TLS_CA=file.pem", "TLS_SERVER_NAME=temporal.example", "API_KEY=key", "TLS=1", "TLS=0"]
)
def test_any_tls_setting_turns_tls_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    (tmp_path / "file.pem").write_text("")
    monkeypatch.setenv("VISIT_TEMPORAL_ADDRESS", "there:7233")
    name, _, value = setting.partition("=")
    monkeypatch.setenv(f"VISIT_TEMPORAL_{name}", value)

    assert load_settings().temporal_is_encrypted is (setting != "TLS=0")


def test_wrong_value_is_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VISIT_DATABASE_URL", "mysql://user:swordfish@somewhere")

    with pytest.raises(SystemExit):
        load_settings()

    assert "swordfish" not in capsys.readouterr().err


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in `VISIT_SECRETS_DIR`."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("VISIT_SECRETS_DIR", str(folder))
    return folder


def test_reads_secret_from_file_without_newline(secrets: Path) -> None:
    (secrets / "visit_jwt_secret").write_text(f"{'k' * 40}\n")

    secret = load_settings().jwt_secret

    assert secret is not None
    assert secret.get_secret_value() == "k" * 40


def test_env_file_can_name_secrets_folder(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "visit_jwt_issuer").write_text("from a file")
    (tmp_path / ".env").write_text("VISIT_SECRETS_DIR=secrets\n")

    assert load_settings().jwt_issuer == "from a file"


def test_environment_overrides_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "visit_jwt_issuer").write_text("from a file")
    monkeypatch.setenv("VISIT_JWT_ISSUER", "from the environment")

    assert load_settings().jwt_issuer == "from the environment"


def test_wrong_secret_names_variable_without_value(secrets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (secrets / "visit_jwt_secret").write_text("swordfish")

    with pytest.raises(SystemExit):
        load_settings()

    error = capsys.readouterr().err
    assert error.startswith("VISIT_JWT_SECRET: ")
    assert "swordfish" not in error


def test_missing_secrets_folder_stops_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VISIT_SECRETS_DIR", "nowhere")

    with pytest.raises(SystemExit) as exit_info:
        load_settings()

    assert exit_info.value.code == 2
    assert capsys.readouterr().err == "VISIT_SECRETS_DIR: not a folder\n"


def test_binary_secret_stops_start_and_is_hidden(secrets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (secrets / "visit_jwt_secret").write_bytes(b"swordfish\xff")

    with pytest.raises(SystemExit) as exit_info:
        load_settings()

    assert exit_info.value.code == 2
    assert capsys.readouterr().err == "VISIT_SECRETS_DIR: cannot be read (UnicodeDecodeError)\n"


def test_reads_database_password_from_its_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "visit_database_password").write_text("p@ss/word:\n")
    monkeypatch.setenv("VISIT_DATABASE_URL", "postgresql+asyncpg://visit@postgres/visits")

    settings = load_settings()

    assert make_url(settings.effective_database_url).password == "p@ss/word:"
    assert make_url(settings.effective_database_url).host == "postgres"
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    "address",
    ["", "sqlite+aiosqlite:///visits.db", "postgresql+asyncpg://postgres/visits", "postgresql+asyncpg://a:b@c/visits"],
    ids=["no address", "SQLite", "no user", "with a password"],
)
def test_password_unfit_for_address_stops_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("VISIT_DATABASE_URL", address)
    monkeypatch.setenv("VISIT_DATABASE_PASSWORD", "swordfish")

    with pytest.raises(SystemExit) as exit_info:
        load_settings()

    error = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert error.startswith("VISIT_DATABASE_PASSWORD needs ")
    assert "swordfish" not in error


def test_empty_password_stops_start(secrets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (secrets / "visit_database_password").write_text("\n")

    with pytest.raises(SystemExit):
        load_settings()

    assert capsys.readouterr().err.startswith("VISIT_DATABASE_PASSWORD: ")


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("VISIT_HTTP_PROT", "VISIT_HTTP_PORT"),
        ("VISIT_HTTPPORT", "VISIT_HTTP_PORT"),
        ("VISIT_TIMEZONES", "VISIT_TIMEZONE"),
        ("visit_time_zone", "VISIT_TIMEZONE"),
        ("VISIT_DATABSE_ULR", "VISIT_DATABASE_URL"),
    ],
)
def test_misspelled_variable_stops_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, setting: str
) -> None:
    monkeypatch.setenv(name, "1")

    with pytest.raises(SystemExit) as exit_info:
        load_settings()

    assert exit_info.value.code == 2
    assert capsys.readouterr().err == f"{name.upper()}: not a setting: use {setting}\n"


def test_unknown_variable_without_likeness_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VISIT_STATISTICS_OF_ANOTHER_PROGRAM", "1")
    monkeypatch.setenv("SITE_ADDRESS", "visits.hospital.example")

    load_settings()

    assert caplog.messages == ["VISIT_STATISTICS_OF_ANOTHER_PROGRAM is not a setting and has no effect"]


def test_unknown_names_in_env_file_stop_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["SITE_ADDRESS=here", "visit_timezone=UTC", "VISIT_SOMETHING_ELSE=1", "VISIT_TIMEZOEN=UTC"]
    (tmp_path / ".env").write_text("\n".join(lines))

    with pytest.raises(SystemExit) as exit_info:
        load_settings()

    assert exit_info.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "VISIT_SOMETHING_ELSE: not a setting (in .env): remove it; docs/settings.md lists all settings",
        "VISIT_TIMEZOEN: not a setting (in .env): use VISIT_TIMEZONE",
    ]


def test_misspelled_secret_stops_start(secrets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (secrets / "visit_jwt_secert").write_text("k" * 40)
    (secrets / "postgres_password").write_text("of another program")

    with pytest.raises(SystemExit):
        load_settings()

    assert capsys.readouterr().err == "VISIT_JWT_SECERT: not a setting: use VISIT_JWT_SECRET\n"


def test_unreadable_env_file_stops_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_bytes(b"VISIT_TIMEZONE=\xff")

    with pytest.raises(SystemExit) as exit_info:
        load_settings()

    assert exit_info.value.code == 2
    assert capsys.readouterr().err == ".env: cannot be read (UnicodeDecodeError)\n"


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [
        ("PORT", "PORT", 0),
        ("PROT", "PORT", 1),
        ("PRT", "PORT", 1),
        ("PORTS", "PORT", 1),
        ("PART", "PORT", 1),
        ("", "PORT", 4),
        ("TIMEZOEN", "TIMEZONE", 1),
        ("HOTS", "PORT", 3),
    ],
)
def test_counts_edits_between_words(first: str, second: str, edits: int) -> None:
    assert (count_edits(first, second), count_edits(second, first)) == (edits, edits)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("VISIT_OFFER_SECONDS", "offer"),
        ("VISIT_CALL_SECONDS", "call"),
        ("VISIT_PAUSE_LIMIT", "pause_limit"),
        ("VISIT_ABANDON_AFTER", "abandon_after"),
        ("VISIT_REMIND_EVERY", "remind_every"),
        ("VISIT_NOT_SEEN_AFTER", "not_seen_after"),
    ],
)
def test_each_time_limit_is_that_of_its_setting(monkeypatch: pytest.MonkeyPatch, name: str, limit: str) -> None:
    monkeypatch.setenv(name, "3600")

    limits = load_settings().limits

    assert getattr(limits, limit) == timedelta(hours=1)
    assert limits.model_copy(update={limit: getattr(Limits(), limit)}) == Limits()
