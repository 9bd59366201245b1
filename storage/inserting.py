"""Insert a row unless it exists, on SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_new(connection: Connection, table: Table, *, by: str | None = None, **values: Any) -> bool:
    """Insert the row unless a row with the same key exists. Returns whether it was inserted.

    The key is the unique column `by`, or else the primary key. Any other conflict raises IntegrityError.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    unique = list(table.primary_key.columns) if by is None else [table.c[by]]
    # The statement itself handles the conflict. On PostgreSQL, a raised violation would abort the whole transaction.
    return (
        connection.execute(insert(table).values(**values).on_conflict_do_nothing(index_elements=unique)).rowcount == 1
    )
