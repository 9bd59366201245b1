"""Takes the database's write locks, so that no one else can write. SQLite and PostgreSQL."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from patient_visit_engine.storage.database import Database

TABLES = "callers, requests, patient_trackings, events"


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    """Lock the tables that every decision writes to; on SQLite, take its only write lock."""
    if database.is_sqlite:
        with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    engine = create_async_engine(database.url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"LOCK TABLE {TABLES} IN EXCLUSIVE MODE"))
            yield
    finally:
        await engine.dispose()
