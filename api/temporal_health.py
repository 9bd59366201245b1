"""Whether Temporal's frontend answers, for `/readyz`."""

from datetime import timedelta
from typing import Protocol

import structlog
from temporalio.client import Client, RPCError

from patient_visit_engine.runtime.temporal import is_unconnected

logger = structlog.get_logger()

TEMPORAL_TIMEOUT = timedelta(seconds=1)


class HealthCheck(Protocol):
    """What `/readyz` needs to know of a dependency."""

    async def is_reachable(self) -> bool: ...


class TemporalHealth:
    """Checks the connection of one client. The reason for a missing connection is logged once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._logged_error = ""

    async def is_reachable(self) -> bool:
        """Whether the frontend answers now."""
        try:
            return await self._client.service_client.check_health(timeout=TEMPORAL_TIMEOUT)
        except RPCError:
            return False
        except RuntimeError as error:
            if not is_unconnected(error):
                raise
            if self._logged_error != str(error):
                self._logged_error = str(error)
                logger.warning("Temporal cannot be reached", error=self._logged_error)
            return False
