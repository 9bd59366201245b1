"""The ids of callers, cached by each process."""

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.storage.callers import find_caller, register_caller
from patient_visit_engine.storage.database import Database

#: How many callers' ids a process caches.
CACHED_CALLERS = 10_000


class CallerIds:
    """Finds the ids of callers. The first command of a caller creates the id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cached: dict[str, int] = {}

    async def find(self, caller: Caller) -> int | None:
        """The caller's id, or None when this caller has never sent a command."""
        cached = self._cached.get(caller.subject)
        return cached if cached is not None else await self._database.read_inline(find_caller, caller.subject)

    async def find_or_create(self, caller: Caller) -> int:
        """The caller's id, created at the first command."""
        caller_id = await self.find(caller)
        if caller_id is None:
            caller_id = await self._database.write(register_caller, caller.subject, caller.created_by)
        if len(self._cached) >= CACHED_CALLERS:
            self._cached.clear()
        self._cached[caller.subject] = caller_id
        return caller_id
