"""Inserting a row unless it is there already, on SQLite and PostgreSQL; it must not know what the row means."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert the row, or do nothing where its primary key or a unique column is taken; whether it was inserted."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    # The conflict is settled by the statement itself: a violation raised on PostgreSQL would abort the whole transaction.
    return connection.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount == 1
