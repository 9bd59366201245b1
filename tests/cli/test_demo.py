"""The demonstration hospital is loaded once, never mixed with real data by accident, and continued on the next day."""

import asyncio
import shutil
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pwdlib import PasswordHash
from sqlalchemy import Connection, insert, select, update
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.cli.demo import hospital, loading
from patient_visit_engine.cli.demo.logins import LOGINS_FILE, Login
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage import tables
from patient_visit_engine.storage.account_changes import change_password
from patient_visit_engine.storage.accounts import find_account
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.codes import Role
from tests.support.databases import database_on
from tests.support.passwords import WEAK_HASH

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
PARIS = HospitalCalendar(ZoneInfo("Europe/Paris"))


@dataclass(frozen=True)
class LoadedDemo:
    """A database with the demonstration of Monday, the folder with its passwords, and its logins."""

    database: Database
    folder: Path
    logins: list[Login]


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
async def demo_template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demonstration of Monday, to copy for each test, because nine passwords take long to hash.

    Returns its folder and its address, which is empty on SQLite.
    """
    folder, address = tmp_path_factory.mktemp("demo"), ""
    if request.param == "sqlite":
        await asyncio.to_thread(shutil.copyfile, request.getfixturevalue("migrated_file"), folder / "visits.db")
    else:
        new_postgres, template = [request.getfixturevalue(name) for name in ("new_postgres", "migrated_postgres")]
        address = await asyncio.to_thread(new_postgres, template)
    database = Database(address or f"sqlite+aiosqlite:///{folder / 'visits.db'}")
    with pytest.MonkeyPatch.context() as patch:
        if address:
            # On SQLite the passwords are hashed as the program does.
            patch.setattr(PasswordHash, "recommended", lambda: WEAK_HASH)
        await loading.load_demonstration(database, PARIS, MONDAY, data_dir=folder)
    await database.close()
    return folder, address


@pytest.fixture
async def demo(
    demo_template: tuple[Path, str], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[LoadedDemo]:
    template_folder, address = demo_template
    folder = tmp_path / "loaded"
    await asyncio.to_thread(shutil.copytree, template_folder, folder)
    if address:
        address = await asyncio.to_thread(request.getfixturevalue("new_postgres"), address.rpartition("/")[2])
    database = Database(address or f"sqlite+aiosqlite:///{folder / 'visits.db'}")

    yield LoadedDemo(database, folder, await loading.load_logins(database, folder))

    await database.close()


database = database_on("sqlite", "postgres")


@pytest.fixture
def weak_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of which the passwords do not matter, because hashing them takes long."""
    monkeypatch.setattr(PasswordHash, "recommended", lambda: WEAK_HASH)


async def load_all_rows(database: Database) -> dict[str, list[Any]]:
    def read_tables(connection: Connection) -> dict[str, list[Any]]:
        names = ("patients", "doctors", "prestations", "appointments", "accounts", "events")
        return {
            name: list(connection.execute(select(table).order_by(*table.primary_key)))
            for name, table in ((name, tables.metadata.tables[name]) for name in names)
        }

    return await database.read(read_tables)


async def test_john_doe_has_two_doctors_and_xray_at_once(demo: LoadedDemo) -> None:
    rows = await load_all_rows(demo.database)
    exclusive = {row.id: row.exclusive for row in rows["prestations"]}
    half_past_eight = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    appointments_of_john = [
        row for row in rows["appointments"] if row.patient_id == 1 and row.scheduled_at == half_past_eight
    ]
    doctor_names = {row.id: row.name for row in rows["doctors"]}

    assert sorted((doctor_names[row.doctor_id], exclusive[row.prestation_id]) for row in appointments_of_john) == [
        ("Dr. Amrani", True),
        ("Dr. Okafor", False),
        ("Dr. Smith", True),
    ]
    assert (len(rows["patients"]), len(rows["doctors"]), len(rows["appointments"])) == (12, 6, 41)
    assert rows["events"] == []
    assert (await demo.database.read(audit)).passed


async def test_logins_work_and_only_hashes_are_stored(demo: LoadedDemo) -> None:
    assert [login.username for login in demo.logins if login.role == "doctor"] == [
        "smith",
        "amrani",
        "rossi",
        "lindqvist",
        "okafor",
        "tanaka",
    ]
    assert {login.role for login in demo.logins} == {role.value for role in Role}
    for login in demo.logins:
        account = await demo.database.read(find_account, login.username)
        assert account is not None
        assert (account.doctor_id is None) == (login.role != "doctor")
        assert PasswordHash.recommended().verify(login.password, account.password_hash)
        assert login.password not in repr(await load_all_rows(demo.database))


async def test_password_file_is_for_its_owner_only(demo: LoadedDemo) -> None:
    path = demo.folder / LOGINS_FILE

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await loading.load_logins(demo.database, demo.folder) == demo.logins


async def test_second_load_on_same_day_changes_nothing(demo: LoadedDemo) -> None:
    # Staff have completed all appointments, and given them to one doctor.
    await demo.database.write(
        lambda connection: connection.execute(update(tables.appointments).values(status=4, doctor_id=3)).close()
    )
    before = await load_all_rows(demo.database)

    logins = await loading.load_demonstration(demo.database, PARIS, MONDAY, data_dir=demo.folder)

    assert logins == demo.logins
    assert await load_all_rows(demo.database) == before


async def test_next_day_adds_only_its_appointments(demo: LoadedDemo) -> None:
    before = await load_all_rows(demo.database)

    logins = await loading.load_demonstration(demo.database, PARIS, TUESDAY, data_dir=demo.folder)

    after = await load_all_rows(demo.database)
    added = [row for row in after["appointments"] if row not in before["appointments"]]
    assert logins == demo.logins
    assert len(added) == len(before["appointments"]) == 41
    assert {row.scheduled_at.date() for row in added} == {TUESDAY}
    assert after | {"appointments": before["appointments"]} == before


async def test_changed_password_is_not_printed(demo: LoadedDemo) -> None:
    await demo.database.write(change_password, "smith", PasswordHash.recommended().hash("another one"))

    logins = await loading.load_demonstration(demo.database, PARIS, TUESDAY, data_dir=demo.folder)

    assert "smith" not in [login.username for login in logins]
    assert len(logins) == 10


@pytest.mark.usefixtures("weak_hashes")
async def test_other_patients_need_force(database: Database, tmp_path: Path) -> None:
    real_patient = insert(tables.patients).values(id=500, first_name="Ana", last_name="Real")
    await database.write(lambda connection: connection.execute(real_patient).close())

    with pytest.raises(OperatorError, match="--force"):
        await loading.load_demonstration(database, PARIS, MONDAY, data_dir=tmp_path)
    before_force = await load_all_rows(database)
    await loading.load_demonstration(database, PARIS, MONDAY, data_dir=tmp_path, force=True)

    assert [patient[:3] for patient in before_force["patients"]] == [(500, "Ana", "Real")]
    assert before_force["accounts"] == []
    assert len((await load_all_rows(database))["patients"]) == 13


@pytest.mark.usefixtures("weak_hashes")
async def test_force_never_reuses_number_of_real_patient(database: Database, tmp_path: Path) -> None:
    real_patient = insert(tables.patients).values(id=1, first_name="Ana", last_name="Real")
    await database.write(lambda connection: connection.execute(real_patient).close())

    with pytest.raises(OperatorError, match="patients: number 1 belongs to another record"):
        await loading.load_demonstration(database, PARIS, MONDAY, data_dir=tmp_path, force=True)

    assert (await load_all_rows(database))["doctors"] == []


def test_clock_change_keeps_local_times() -> None:
    appointments = hospital.appointments(date(2026, 3, 29), PARIS)

    assert appointments[0]["scheduled_at"] == datetime(2026, 3, 29, 6, tzinfo=UTC)


def test_all_appointments_are_in_the_hospital_day() -> None:
    day, late_start = date(2026, 3, 2), HospitalCalendar(PARIS.zone, time(9))

    appointments = hospital.appointments(day, late_start)

    assert {late_start.day_of(appointment["scheduled_at"]) for appointment in appointments} == {day}


@pytest.mark.usefixtures("weak_hashes")
def test_command_migrates_and_prints_logins(
    address: str, tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("VISIT_DATA_DIR", str(tmp_path / "data"))
    clean_environment.setenv("VISIT_DATABASE_URL", address)

    first = CliRunner().invoke(build_program(), ["demo"])
    (tmp_path / "data" / LOGINS_FILE).unlink()
    second = CliRunner().invoke(build_program(), ["demo"])

    assert first.exit_code == 0, first.output
    assert first.stdout.count("login: ") == 11
    assert "login: reception " in first.stdout
    assert "no valid password" in second.stdout
