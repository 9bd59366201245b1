"""What the records of all kinds share: the request that replaces one, and the statements that do it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select, update

from patient_visit_engine.storage.inserting import insert_if_new


@dataclass(frozen=True)
class PutContext:
    """The record's id, with the cause and the time of the request that replaces it. `cause` is unique to the request."""

    id: int
    cause: str
    at: datetime


def put_record(connection: Connection, table: Table, record_id: int, values: dict[str, Any]) -> bool:
    """Create or replace a record. Returns whether it was created."""
    if insert_if_new(connection, table, id=record_id, **values):
        return True
    update_if_different(connection, table, read_locked(connection, table, record_id), values)
    return False


def read_locked(connection: Connection, table: Table, record_id: int) -> Row[Any]:
    """Lock the record until the end of the transaction, and return it."""
    return connection.execute(select(table).where(table.c.id == record_id).with_for_update(key_share=True)).one()


def update_if_different(connection: Connection, table: Table, stored: Row[Any], values: dict[str, Any]) -> bool:
    """Replace the record when a value differs from `stored`, its locked row. Returns whether it was replaced."""
    if all(getattr(stored, column) == value for column, value in values.items()):
        return False
    changed = values | {"version": stored.version + 1}
    connection.execute(update(table).where(table.c.id == stored.id).values(**changed))
    return True
