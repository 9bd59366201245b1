"""Dialects with which all databases of the tests share their compiled statements, as the units of one process do.

SQLAlchemy compiles a statement once for each engine. Each test has new engines, and compiling took a sixth of its time.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

#: More than all statements of all tests.
STATEMENTS = 5_000


class _Shared:
    """A dialect that equals any other of its class. A compiled statement is found by its dialect and its text."""

    _compiled: LRUCache[Any, Any]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=cls._compiled)


class SharedSqlite(_Shared, SQLiteDialect_pysqlite):
    supports_statement_cache = True
    _compiled = LRUCache(STATEMENTS)


class SharedPostgres(_Shared, PGDialect_asyncpg):
    supports_statement_cache = True
    _compiled = LRUCache(STATEMENTS)


def share_compiled_statements() -> None:
    """Use these dialects for all engines that are created from now on."""
    registry.register("sqlite", __name__, "SharedSqlite")
    registry.register("postgresql.asyncpg", __name__, "SharedPostgres")
