"""The demonstration hospital can be loaded, told apart from real data, and carried on the next day."""

import asyncio
import os
import shutil
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pwdlib import PasswordHash
from sqlalchemy import Connection, insert, select, update
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build
from patient_visit_engine.cli.demo import command, hospital
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage import tables
from patient_visit_engine.storage.accounts import account_named, change_password
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.codes import Role

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True)
class Loaded:
    """A database with the demonstration of Monday, the folder with its passwords, and what was told of them."""

    database: Database
    folder: Path
    told: list[command.Login]


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
async def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demonstration of Monday, to be copied: nine passwords take a while to hash. Its folder, and on PostgreSQL its address."""
    folder, address = tmp_path_factory.mktemp("demo"), ""
    if request.param == "sqlite":
        await asyncio.to_thread(shutil.copyfile, request.getfixturevalue("migrated_file"), folder / "visits.db")
    else:
        names = [request.getfixturevalue(name) for name in ("new_postgres", "migrated_postgres")]
        address = await asyncio.to_thread(*names)
    opened = Database(address or f"sqlite+aiosqlite:///{folder / 'visits.db'}")
    await command.load(opened, PARIS, MONDAY, data_dir=folder)
    await opened.close()
    return folder, address


@pytest.fixture
async def loaded(once: tuple[Path, str], tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Loaded]:
    folder, address = tmp_path / "loaded", once[1]
    await asyncio.to_thread(shutil.copytree, once[0], folder)
    if address:
        address = await asyncio.to_thread(request.getfixturevalue("new_postgres"), address.rpartition("/")[2])
    opened = Database(address or f"sqlite+aiosqlite:///{folder / 'visits.db'}")

    yield Loaded(opened, folder, await command.logins(opened, folder))

    await opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database."""
    opened: Database = request.getfixturevalue(f"on_{request.param}")
    return opened


async def all_rows(database: Database) -> dict[str, list[Any]]:
    def unit(connection: Connection) -> dict[str, list[Any]]:
        names = ("patients", "doctors", "prestations", "appointments", "accounts", "events")
        found = {name: tables.metadata.tables[name] for name in names}
        return {
            name: list(connection.execute(select(table).order_by(*table.primary_key))) for name, table in found.items()
        }

    return await database.read(unit)


async def test_the_hospital_has_john_doe_with_two_doctors_at_once_and_an_x_ray_beside(loaded: Loaded) -> None:
    rows = await all_rows(loaded.database)
    exclusive = {row.id: row.exclusive for row in rows["prestations"]}
    half_past_eight = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    of_john = [row for row in rows["appointments"] if row.patient_id == 1 and row.scheduled_at == half_past_eight]
    names = {row.id: row.name for row in rows["doctors"]}
    assert sorted((names[row.doctor_id], exclusive[row.prestation_id]) for row in of_john) == [
        ("Dr. Amrani", True),
        ("Dr. Okafor", False),
        ("Dr. Smith", True),
    ]
    assert (len(rows["patients"]), len(rows["doctors"]), len(rows["appointments"])) == (12, 6, 41)
    assert rows["events"] == []
    assert (await loaded.database.read(audit)).holds


async def test_everyone_can_sign_in_with_what_was_told_and_only_a_hash_is_kept(loaded: Loaded) -> None:
    told = loaded.told

    assert [login.username for login in told if login.role == "doctor"] == [
        "smith",
        "amrani",
        "rossi",
        "lindqvist",
        "okafor",
        "tanaka",
    ]
    assert {login.role for login in told} == {role.value for role in Role}
    for login in told:
        account = await loaded.database.read(account_named, login.username)
        assert account is not None
        assert (account.doctor_id is None) == (login.role != "doctor")
        assert PasswordHash.recommended().verify(login.password, account.password_hash)
        assert login.password not in repr(await all_rows(loaded.database))


async def test_the_passwords_stand_in_one_file_for_its_owner_alone(loaded: Loaded) -> None:
    path = loaded.folder / command.LOGINS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await command.logins(loaded.database, loaded.folder) == loaded.told


async def test_a_second_load_on_the_same_day_changes_nothing(loaded: Loaded) -> None:
    await loaded.database.write(
        lambda connection: connection.execute(update(tables.appointments).values(status=4)).close()
    )
    before = await all_rows(loaded.database)

    again = await command.load(loaded.database, PARIS, MONDAY, data_dir=loaded.folder)

    assert again == loaded.told
    assert await all_rows(loaded.database) == before


async def test_the_next_day_adds_its_appointments_and_changes_nothing_else(loaded: Loaded) -> None:
    before = await all_rows(loaded.database)

    again = await command.load(loaded.database, PARIS, TUESDAY, data_dir=loaded.folder)

    after = await all_rows(loaded.database)
    added = [row for row in after["appointments"] if row not in before["appointments"]]
    assert again == loaded.told
    assert len(added) == len(before["appointments"]) == 41
    assert {row.scheduled_at.date() for row in added} == {TUESDAY}
    assert after | {"appointments": before["appointments"]} == before


async def test_a_password_that_was_changed_is_not_told_any_more(loaded: Loaded) -> None:
    await loaded.database.write(change_password, "smith", PasswordHash.recommended().hash("another one"))

    told = await command.load(loaded.database, PARIS, TUESDAY, data_dir=loaded.folder)

    assert "smith" not in [login.username for login in told]
    assert len(told) == 8


async def test_a_database_with_other_patients_is_left_alone_unless_forced(database: Database, tmp_path: Path) -> None:
    other = insert(tables.patients).values(id=500, first_name="Ana", last_name="Real")
    await database.write(lambda connection: connection.execute(other).close())

    with pytest.raises(OperatorError, match="--force"):
        await command.load(database, PARIS, MONDAY, data_dir=tmp_path)
    refused = await all_rows(database)
    await command.load(database, PARIS, MONDAY, data_dir=tmp_path, force=True)

    assert (refused["patients"], refused["accounts"]) == ([(500, "Ana", "Real", None)], [])
    assert len((await all_rows(database))["patients"]) == 13


async def test_even_forced_nobody_is_taken_for_a_patient_of_the_demonstration(
    database: Database, tmp_path: Path
) -> None:
    other = insert(tables.patients).values(id=1, first_name="Ana", last_name="Real")
    await database.write(lambda connection: connection.execute(other).close())

    with pytest.raises(OperatorError, match="patients: number 1 is somebody else"):
        await command.load(database, PARIS, MONDAY, data_dir=tmp_path, force=True)

    assert (await all_rows(database))["doctors"] == []


def test_the_day_that_clocks_change_keeps_its_wall_times() -> None:
    booked = hospital.appointments(date(2026, 3, 29), PARIS)

    assert booked[0]["scheduled_at"] == datetime(2026, 3, 29, 6, tzinfo=UTC)


def test_the_command_makes_the_schema_and_tells_every_login(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VISIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VISIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VISIT_DATABASE_URL", address)

    first = CliRunner().invoke(build(), ["demo"])
    (tmp_path / "data" / command.LOGINS_FILE).unlink()
    second = CliRunner().invoke(build(), ["demo"])

    assert first.exit_code == 0, first.output
    assert first.stdout.count("login: ") == 9
    assert "login: reception " in first.stdout
    assert "passwords are not known any more" in second.stdout
