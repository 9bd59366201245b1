"""Finding the open ones of thousands of sessions, with one parameter, on both databases."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, event, insert

from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import sessions
from patient_visit_engine.visit.codes import Role
from tests.support.databases import database_on
from tests.support.revoked_accounts import revoke_account

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SESSIONS = 5_000

database = database_on("sqlite", "postgres")


async def test_finds_open_sessions_with_one_parameter(database: Database) -> None:
    def add_sessions(connection: Connection) -> None:
        accounts.add_account(connection, "amrani", "x", "Dr. Amrani", Role.reception, None)
        accounts.add_account(connection, "gone", "x", "Dr. Gone", Role.reception, None)
        rows = [
            {
                "token_hash": f"s{n}",
                "account_id": 1 + n % 2,
                "created_at": NOW,
                "expires_at": NOW + timedelta(hours=n % 3),
            }
            for n in range(SESSIONS)
        ]
        connection.execute(insert(sessions), rows)
        revoke_account(connection, "gone", NOW)

    await database.write(add_sessions)
    parameter_counts: list[int] = []

    def find_open(connection: Connection) -> set[str]:
        @event.listens_for(connection, "before_cursor_execute")
        def count_parameters(
            _c: object, _k: object, _s: str, parameters: tuple[object, ...], _x: object, _m: object
        ) -> None:
            parameter_counts.append(len(parameters))

        return accounts.find_open_sessions(connection, [f"s{n}" for n in range(SESSIONS)] + ["unknown"], NOW)

    open_hashes = await database.read(find_open)

    assert open_hashes == {f"s{n}" for n in range(SESSIONS) if n % 2 == 0 and n % 3 != 0}
    assert max(parameter_counts) < 5
    assert await database.read(accounts.find_open_sessions, [], NOW) == set()
