"""Whether Temporal can serve, for `/readyz`: its frontend answers, the namespace is prepared, and a worker polls."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.api.readiness import SILENT_TEMPORAL, Problems
from patient_visit_engine.runtime.namespace import missing_search_attributes
from patient_visit_engine.runtime.task_queue import find_workers
from patient_visit_engine.runtime.temporal import is_unconnected

logger = structlog.get_logger()

#: Seconds within which Temporal has to answer all questions.
TEMPORAL_TIMEOUT_SECONDS = 1.5
REMEDY = "run `visit-engine migrate`"


class TemporalHealth:
    """Checks Temporal through one client. The reason for a missing connection is logged once."""

    def __init__(self, client: Client, task_queue: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._task_queue = task_queue
        self._now = now
        self._logged_error = ""

    async def find_problems(self) -> Problems:
        """What is wrong now."""
        try:
            async with asyncio.timeout(TEMPORAL_TIMEOUT_SECONDS):
                return await self._ask()
        except TimeoutError:
            return SILENT_TEMPORAL
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                return SILENT_TEMPORAL
            missing = f"Temporal has no namespace {self._client.namespace}: {REMEDY}"
            return {"temporal": missing, "workers": missing}
        except RuntimeError as error:
            if not is_unconnected(error):
                raise
            if self._logged_error != str(error):
                self._logged_error = str(error)
                logger.warning("Temporal cannot be reached", error=self._logged_error)
            return SILENT_TEMPORAL

    async def _ask(self) -> Problems:
        problems: dict[str, str] = {}
        if not await find_workers(self._client, self._task_queue, self._now()):
            problems["workers"] = f"no worker polls the task queue {self._task_queue}: start a worker"
        if missing := await missing_search_attributes(self._client):
            names = " and ".join(missing)
            problems["temporal"] = (
                f"Temporal namespace {self._client.namespace} has no search attribute {names}: {REMEDY}"
            )
        return problems
