"""Records the SQL statements that a test's writers send."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from patient_visit_engine.storage.prepared_statements import PreparedQuery, Row, Values


@contextmanager
def recorded_statements() -> Iterator[list[str]]:
    """Yield a list that grows by each statement of any connection, until the end of the block."""
    statements: list[str] = []

    def record(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    rows = PreparedQuery.rows

    def record_rows(query: PreparedQuery, connection: Connection, values: Values) -> list[Row]:
        # On SQLite such a query passes by SQLAlchemy's events.
        if connection.dialect.name == "sqlite":
            statements.append(str(query.query.compile(dialect=connection.dialect)))
        return rows(query, connection, values)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PreparedQuery, "rows", record_rows)
            yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", record)
