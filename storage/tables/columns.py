"""What all tables share: the metadata that collects them, their column types, and indexes with a condition."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Index, Integer, MetaData, String, text
from sqlalchemy.types import TypeDecorator, TypeEngine

from patient_visit_engine.visit.calendar import to_rfc3339

# SQLite generates ids only in a column of type INTEGER. PostgreSQL needs 64 bits.
Id = BigInteger().with_variant(Integer(), "sqlite")


class Timestamp(TypeDecorator[datetime]):
    """An aware datetime with milliseconds: TIMESTAMPTZ on PostgreSQL, sortable RFC 3339 text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        column_type = String(24) if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(column_type)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return to_rfc3339(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return None if value is None else value.astimezone(UTC)


metadata = MetaData()


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index on the rows that match the SQL condition `where`, on SQLite and on PostgreSQL."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))
