"""Addresses where accounts have signed in. Addresses arrive here as hashes only."""

from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from patient_visit_engine.storage.tables import accounts, sign_in_places

#: Accounts of one address that are read. More people than this do not work behind one address.
MAX_LOGINS_OF_PLACE = 10_000


def find_known_logins(connection: Connection, place: str, since: datetime) -> set[str]:
    """Return the logins of the accounts that have signed in at this place since then. If there are too many, the latest ones."""
    place_column = sign_in_places.c
    query = (
        select(accounts.c.login)
        .join(sign_in_places, place_column.account_id == accounts.c.id)
        .where(place_column.place == place, place_column.seen_at > since, accounts.c.revoked_at.is_(None))
        .order_by(place_column.seen_at.desc())
        .limit(MAX_LOGINS_OF_PLACE)
    )
    return set(connection.scalars(query))


def note_place(connection: Connection, account_id: int, place: str, now: datetime) -> None:
    """Note that the account has signed in at this place."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = insert(sign_in_places).values(place=place, account_id=account_id, seen_at=now)
    keys = [sign_in_places.c.place, sign_in_places.c.account_id]
    connection.execute(row.on_conflict_do_update(index_elements=keys, set_={"seen_at": now}))
