"""Changes of accounts: the last admin stays, a doctor's account has a doctor, and sessions end when rights change."""

import asyncio

import pytest
from sqlalchemy import Connection, insert, select, text

from patient_visit_engine.storage import account_changes
from patient_visit_engine.storage.account_changes import AccountChange, NewAccount
from patient_visit_engine.storage.account_list import list_accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import doctors, sessions
from patient_visit_engine.visit.codes import Role
from tests.support.builders import NOON
from tests.support.databases import database_on

database = database_on("sqlite", "postgres")


def add_staff(connection: Connection) -> None:
    """Accounts 1 and 2 are admins, 3 is Dr. Smith's. Each has a session."""
    connection.execute(insert(doctors).values([{"id": 7, "name": "Dr. Smith"}, {"id": 8, "name": "Dr. Amrani"}]))
    for new in (
        NewAccount("Ann", "h", "Ann Admin", Role.admin),
        NewAccount("ben", "h", "Ben", Role.admin),
        NewAccount("smith", "h", "Dr. Smith", Role.doctor, 7),
    ):
        number = account_changes.create_account(connection, new)
        row = {"token_hash": f"s{number}", "account_id": number, "created_at": NOON, "expires_at": NOON}
        connection.execute(insert(sessions).values(row))


async def change(database: Database, account_id: int, **values: object) -> bool:
    change_of_test = AccountChange(**values)  # type: ignore[arg-type] # each test sends the right types
    return await database.write(account_changes.change_account, account_id, change_of_test, NOON)


async def open_sessions(database: Database) -> set[str]:
    return set(await database.read(lambda connection: connection.scalars(select(sessions.c.token_hash)).all()))


@pytest.fixture
async def staff(database: Database) -> Database:
    await database.write(add_staff)
    return database


async def test_change_of_rights_ends_sessions(staff: Database) -> None:
    assert await change(staff, 3, name="Dr. A. Smith")
    assert await change(staff, 3, doctor_id=7)
    assert await open_sessions(staff) == {"s1", "s2", "s3"}

    assert await change(staff, 3, role=Role.supervisor)
    assert await change(staff, 1, is_active=False)

    assert await open_sessions(staff) == {"s2"}
    accounts = await staff.read(list_accounts)
    assert [(a["username"], a["name"], a["role"], a["doctor_id"], a["active"]) for a in accounts] == [
        ("Ann", "Ann Admin", Role.admin, None, False),
        ("ben", "Ben", Role.admin, None, True),
        ("smith", "Dr. A. Smith", Role.supervisor, None, True),
    ]
    assert await change(staff, 1, is_active=True)
    assert not await change(staff, 99, name="X")


@pytest.mark.parametrize(
    "values", [{"is_active": False}, {"role": Role.reception}, {"role": Role.doctor, "doctor_id": 8}]
)
async def test_last_active_admin_stays(staff: Database, values: dict[str, object]) -> None:
    assert await change(staff, 1, is_active=False)

    with pytest.raises(account_changes.LastAdminError):
        await change(staff, 2, **values)

    assert await open_sessions(staff) == {"s2", "s3"}
    # An admin who is revoked already is not the last active one.
    assert await change(staff, 1, role=Role.reception)


async def test_two_admins_cannot_revoke_each_other(staff: Database) -> None:
    # Several times, because the two transactions must overlap.
    for _ in range(10):
        results = await asyncio.gather(
            *(change(staff, number, is_active=False) for number in (1, 2)), return_exceptions=True
        )

        refusals = [result for result in results if result is not True]
        assert [type(refusal) for refusal in refusals] == [account_changes.LastAdminError]
        accounts = await staff.read(list_accounts)
        assert sum(account["active"] for account in accounts if account["role"] == "admin") == 1
        for number in (1, 2):
            await change(staff, number, is_active=True)


@pytest.mark.parametrize(
    ("account_id", "values", "error"),
    [
        (1, {"role": Role.doctor}, account_changes.DoctorMismatchError),
        (1, {"doctor_id": 7}, account_changes.DoctorMismatchError),
        (3, {"role": Role.supervisor, "doctor_id": 7}, account_changes.DoctorMismatchError),
        (3, {"doctor_id": 9}, account_changes.UnknownDoctorError),
    ],
)
async def test_only_a_doctors_account_has_a_doctor(
    staff: Database, account_id: int, values: dict[str, object], error: type[Exception]
) -> None:
    before = await staff.read(list_accounts)

    with pytest.raises(error):
        await change(staff, account_id, **values)

    assert await staff.read(list_accounts) == before


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (NewAccount("SMITH", "h", "S", Role.reception), account_changes.UsernameTakenError),
        (NewAccount("new", "h", "N", Role.doctor), account_changes.DoctorMismatchError),
        (NewAccount("new", "h", "N", Role.admin, 7), account_changes.DoctorMismatchError),
        (NewAccount("new", "h", "N", Role.doctor, 9), account_changes.UnknownDoctorError),
    ],
)
async def test_refuses_wrong_new_account(staff: Database, new: NewAccount, error: type[Exception]) -> None:
    with pytest.raises(error):
        await staff.write(account_changes.create_account, new)

    assert len(await staff.read(list_accounts)) == 3


async def test_revoked_account_whose_name_is_taken_stays_revoked(staff: Database) -> None:
    """Schema 0007 left such accounts without a login."""
    assert await change(staff, 3, is_active=False)
    no_login = text("UPDATE accounts SET login = NULL WHERE id = 3")
    await staff.write(lambda connection: connection.execute(no_login))

    with pytest.raises(account_changes.UsernameTakenError):
        await change(staff, 3, is_active=True)
    assert await change(staff, 3, name="Former")
