"""Inserting a row unless it is there already, on SQLite and PostgreSQL; it must not know what the row means."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_new(connection: Connection, table: Table, *, by: str | None = None, **values: Any) -> bool:
    """Insert the row unless there is one with the same `by`, a unique column, or else the primary key; whether it was inserted.

    Any other conflict is an error, and raised as one.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    unique = list(table.primary_key.columns) if by is None else [table.c[by]]
    # The conflict is settled by the statement itself: a violation raised on PostgreSQL would abort the whole transaction.
    return (
        connection.execute(insert(table).values(**values).on_conflict_do_nothing(index_elements=unique)).rowcount == 1
    )
