"""Reads the rows of one query page by page."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from patient_visit_engine.storage.database import Database

#: The most rows of one page. After a long outage a page must not contain everything.
PAGE_SIZE = 200


class PagedRow(Protocol):
    """A row with its place in the order of its query."""

    @property
    def key(self) -> Any: ...


Row = TypeVar("Row", bound=PagedRow)
#: Returns the rows with keys after the given one (None: from the first row on), in order of their keys, at most the given number.
FindPage = Callable[[Connection, Any, int], list[Row]]


class Pages(Generic[Row]):
    """A place in one query. Each page follows the last one. After the last page comes the first one again.

    So rows that stay, because their visits cannot handle them, do not hide the rows after them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_key: Any = None

    async def read_next(self, find_page: FindPage[Row]) -> list[Row]:
        """The next page of the query `find_page`, which must be the same query at each call."""
        rows = await self._database.read(find_page, self._last_key, PAGE_SIZE)
        if not rows and self._last_key is not None:
            rows = await self._database.read(find_page, None, PAGE_SIZE)
        self._last_key = rows[-1].key if len(rows) == PAGE_SIZE else None
        return rows
