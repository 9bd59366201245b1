"""Whether Temporal can serve, for `/readyz`: its frontend answers, the namespace is prepared, and a worker polls."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.api.readiness import SILENT_TEMPORAL, Problems
from patient_visit_engine.runtime.namespace import describe_unknown_namespace, missing_search_attributes
from patient_visit_engine.runtime.task_queue import find_workers
from patient_visit_engine.runtime.temporal import is_unconnected

logger = structlog.get_logger()

#: Seconds within which Temporal has to answer all questions.
TEMPORAL_TIMEOUT_SECONDS = 1.5
REMEDY = "run `visit-engine migrate`"


class TemporalHealth:
    """Checks Temporal through one client. The reason for a missing connection or namespace is logged once."""

    def __init__(self, client: Client, task_queue: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._task_queue = task_queue
        self._now = now
        self._logged_line = ""

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
            missing = describe_unknown_namespace(self._client.namespace)
            self._log_once(missing)
            return {"temporal": missing, "workers": missing}
        except RuntimeError as error:
            if not is_unconnected(error):
                raise
            self._log_once("Temporal cannot be reached", error=str(error))
            return SILENT_TEMPORAL

    def _log_once(self, event: str, **details: str) -> None:
        line = f"{event} {details}"
        if self._logged_line != line:
            self._logged_line = line
            logger.warning(event, **details)

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
