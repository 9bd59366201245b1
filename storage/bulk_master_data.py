"""Adding many rows of master data at once, and nothing else: it changes no row that is there and appends no event.

It must not know where the rows come from. A row that exists may have consultations behind it and stand on screens; only the API
changes it, with the event that tells of the change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

#: Rows of one transaction: SQLite takes 32,766 parameters in a statement, and other writers get their turn between batches.
BATCH = 2_000
Row = Mapping[str, Any]


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch; `other` are ids of rows that were there already and say something else."""

    added: int
    same: int
    other: tuple[int, ...]


def add_missing(connection: Connection, table: Table, rows: Sequence[Row], compare: Sequence[str]) -> BatchResult:
    """Insert those rows, at most `BATCH`, whose id is not taken; the others are compared in the columns `compare`, and kept."""
    if len(rows) > BATCH:
        raise ValueError(f"{len(rows)} rows are more than a batch of {BATCH}")
    kept = _kept(connection, table, rows, compare)
    fresh = [dict(row) for row in rows if row["id"] not in kept]
    if fresh:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        # Another writer may have come in between: its row stands.
        connection.execute(insert(table).on_conflict_do_nothing(), fresh)
    other = tuple(row["id"] for row in rows if row["id"] in kept and kept[row["id"]] != _seen(row, compare))
    return BatchResult(len(fresh), len(kept) - len(other), other)


def _kept(
    connection: Connection, table: Table, rows: Sequence[Row], compare: Sequence[str]
) -> dict[int, tuple[Any, ...]]:
    columns = [table.c[name] for name in compare]
    ids = [row["id"] for row in rows]
    return {
        found.id: tuple(found)[1:]
        for found in connection.execute(select(table.c.id, *columns).where(table.c.id.in_(ids)))
    }


def _seen(row: Row, compare: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in compare)
