"""Counts the work that a database does for a query. Unlike a duration, the count is the same on a busy machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import Connection, text


@contextmanager
def touched_rows(connection: Connection, table: str) -> Iterator[Callable[[], int]]:
    """Yield a function that returns the work done since the start of the block.

    On SQLite it counts the steps of its virtual machine, on PostgreSQL the rows and index entries of `table`.
    """
    if connection.dialect.name == "sqlite":
        steps = count()
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: next(steps) and 0, 1)
        yield lambda: next(steps)
        driver.set_progress_handler(None, 0)
    else:
        query = text(
            "SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))"
            " FROM pg_class WHERE oid = CAST(:name AS regclass)"
            " OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = CAST(:name AS regclass))"
        ).bindparams(name=table)
        before = int(connection.scalar(query) or 0)
        yield lambda: int(connection.scalar(query) or 0) - before
