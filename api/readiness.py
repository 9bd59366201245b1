"""Whether the parts that an API process needs can serve, for `/readyz`."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Connection, func, select

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.storage import schema_version
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import log_head
from patient_visit_engine.storage.write_probe import WriteProbe

#: What `/readyz` reports, in this order.
DEPENDENCIES = ("database", "schema", "temporal", "workers", "stream")
#: Seconds within which a dependency has to answer.
CHECK_TIMEOUT_SECONDS = 2.0

#: What is wrong with a dependency and what to do, by its name in `/readyz`. Empty: nothing.
Problems = Mapping[str, str]
SILENT_TEMPORAL: Problems = dict.fromkeys(("temporal", "workers"), "Temporal does not answer")


class Readiness:
    """Whether this process still accepts requests. `draining` is set when it stops."""

    def __init__(self) -> None:
        self.draining = False


class HealthCheck(Protocol):
    """What `/readyz` needs to know of Temporal: the problems of `temporal` and of `workers`."""

    async def find_problems(self) -> Problems: ...


async def find_problems(
    database: Database, write_probe: WriteProbe, temporal: HealthCheck, hub: Hub | None
) -> Problems:
    """What is wrong now. Without a hub the process serves no event stream."""
    of_writes, of_database, of_temporal = await asyncio.gather(
        _find_write_problems(write_probe), _find_database_problems(database), _find_temporal_problems(temporal)
    )
    problems = {**of_writes, **of_database, **of_temporal}
    if hub is not None and not hub.log_is_fresh:
        # A process that cannot read the event log must not serve screens, even when its database answers other calls.
        problems["stream"] = "the event log was not read within the last seconds"
    return problems


async def _find_write_problems(write_probe: WriteProbe) -> Problems:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            problem = await write_probe.find_problem()
    except TimeoutError:
        # Another process may be writing for long.
        return {}
    return {} if problem is None else {"database": problem}


async def _find_database_problems(database: Database) -> Problems:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await database.read(_read_database_problems)
    except Exception:  # noqa: BLE001 - any error means that the database does not answer
        return dict.fromkeys(("database", "schema"), "the database does not answer")


def _read_database_problems(connection: Connection) -> Problems:
    if (missing := schema_version.what_is_missing(schema_version.read_revision(connection))) is not None:
        return {"schema": missing}
    query = select(func.current_setting("transaction_read_only") == "off")
    if connection.dialect.name == "postgresql" and not connection.scalar(query):
        # A standby, or a server that is set to read-only: it answers, but no decision can be recorded on it.
        return {"database": "the database takes no writes"}
    return {} if connection.scalar(select(log_head.c.id)) is not None else {"database": "the event log has no head"}


async def _find_temporal_problems(temporal: HealthCheck) -> Problems:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await temporal.find_problems()
    except Exception:  # noqa: BLE001 - any error means that Temporal does not answer
        return SILENT_TEMPORAL
