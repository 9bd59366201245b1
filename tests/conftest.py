"""What several kinds of tests share: an empty database with a schema of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import migrations
from storage.database import Database


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema, to be copied: migrating takes longer than many a test."""
    path = tmp_path_factory.mktemp("schema") / "visits.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
async def database(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Database]:
    """A fresh database, closed at the end of the test."""
    path = tmp_path / "visits.db"
    await asyncio.to_thread(shutil.copyfile, migrated_file, path)
    opened = Database(f"sqlite+aiosqlite:///{path}")

    yield opened

    await opened.close()
