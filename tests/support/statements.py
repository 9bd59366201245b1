"""Records the SQL statements that a test's writers send."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


@contextmanager
def recorded_statements() -> Iterator[list[str]]:
    """Yield a list that grows by each statement of any connection, until the end of the block."""
    statements: list[str] = []

    def record(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", record)
