"""Known places: who has signed in at an address, since when, and when it is forgotten."""

from datetime import timedelta

from sqlalchemy import select

from patient_visit_engine.storage import accounts, sign_in_places
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import sign_in_places as places
from patient_visit_engine.storage.upkeep.sweep import PLACE_LIFETIME, prune
from patient_visit_engine.visit.codes import Role
from tests.support.builders import NOON
from tests.support.databases import database_on
from tests.support.revoked_accounts import revoke_account

database = database_on("sqlite", "postgres")


async def test_finds_accounts_of_a_place_until_it_is_old(database: Database) -> None:
    for name in ("Ann", "ben", "cem"):
        await database.write(accounts.add_account, name, "-", name, Role.reception)
    for account, place, days in ((1, "desk", 0), (2, "ward", 0), (3, "desk", -40), (1, "desk", 1)):
        await database.write(sign_in_places.note_place, account, place, NOON + timedelta(days=days))
    since = NOON - timedelta(days=30)

    at_desk = await database.read(sign_in_places.find_known_logins, "desk", since)
    await database.write(revoke_account, "ben", NOON)
    at_ward = await database.read(sign_in_places.find_known_logins, "ward", since)

    assert (at_desk, at_ward) == ({"ann"}, set())
    assert await database.write(prune, NOON, NOON - timedelta(days=39) + PLACE_LIFETIME) == 1
    rows = await database.read(
        lambda connection: connection.execute(select(places.c.account_id, places.c.seen_at)).all()
    )
    assert sorted(tuple(row) for row in rows) == [(1, NOON + timedelta(days=1)), (2, NOON)]
