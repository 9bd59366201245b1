"""What several kinds of tests share: an empty database with a schema of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import schema
from storage.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh database, closed at the end of the test."""
    opened = Database(f"sqlite+aiosqlite:///{tmp_path / 'visits.db'}")
    await opened.write(schema.create)

    yield opened

    await opened.close()
