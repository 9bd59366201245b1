"""Which of thousands of sessions hold, in one statement with one parameter, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, event, insert

from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import sessions
from patient_visit_engine.visit.codes import Role

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MANY = 5_000


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    opened: Database = request.getfixturevalue(f"on_{request.param}")
    return opened


async def test_of_thousands_of_sessions_those_that_hold_are_found_with_one_parameter(database: Database) -> None:
    def write(connection: Connection) -> None:
        accounts.add_account(connection, "amrani", "x", "Dr. Amrani", Role.reception, None)
        accounts.add_account(connection, "gone", "x", "Dr. Gone", Role.reception, None)
        kept = [
            {
                "token_hash": f"s{n}",
                "account_id": 1 + n % 2,
                "created_at": NOW,
                "expires_at": NOW + timedelta(hours=n % 3),
            }
            for n in range(MANY)
        ]
        connection.execute(insert(sessions), kept)
        accounts.revoke(connection, "gone", NOW)

    await database.write(write)
    parameters: list[int] = []

    def ask(connection: Connection) -> set[str]:
        @event.listens_for(connection, "before_cursor_execute")
        def count(_c: object, _k: object, _s: str, given: tuple[object, ...], _x: object, _m: object) -> None:
            parameters.append(len(given))

        return accounts.open_sessions(connection, [f"s{n}" for n in range(MANY)] + ["unknown"], NOW)

    holding = await database.read(ask)

    assert holding == {f"s{n}" for n in range(MANY) if n % 2 == 0 and n % 3 != 0}
    assert max(parameters) < 5
    assert await database.read(accounts.open_sessions, [], NOW) == set()
