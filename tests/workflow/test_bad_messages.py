"""A signal or an update with wrong arguments, from Temporal's UI for example, blocks no one."""

from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.storage.database import Database
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows.message_guard import ARGUMENTS
from patient_visit_engine.workflows.patient_visit import PatientVisit
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS
from tests.support.visits import VisitDriver


@pytest.fixture
def database(on_sqlite: Database) -> Database:
    """A fresh database. Its kind makes no difference here."""
    return on_sqlite


@pytest.fixture
def cached_visits() -> int:
    """A worker that keeps visits in memory, as in production."""
    return CACHED_VISITS


@pytest.mark.parametrize("arguments", [[], ["text"], [{}], [{}, {}]], ids=["none", "text", "empty", "two"])
@pytest.mark.parametrize("signal", ["start_consultation", "complete_consultation"])
async def test_bad_signal_blocks_no_one(visits: VisitDriver, signal: str, arguments: list[Any]) -> None:
    started = await visits.start(DR_AMRANI)

    await visits.workflow().signal(signal, args=arguments)
    refused = await visits.start(DR_BENNIS)
    completed = await visits.complete(started)

    assert (started.status, refused.status, completed.status) == (201, 409, 200)


@pytest.mark.parametrize("arguments", [[], ["text"], [{}], [{}, {}]], ids=["none", "text", "empty", "two"])
@pytest.mark.parametrize("update", ["start_consultation", "adopt", "rescue", "no_such_update"])
async def test_bad_update_blocks_no_one(visits: VisitDriver, update: str, arguments: list[Any]) -> None:
    started = await visits.start(DR_AMRANI)

    if update != "adopt" or arguments != [{}]:
        with pytest.raises(WorkflowUpdateFailedError):
            await visits.workflow().execute_update(update, args=arguments)
    refused = await visits.start(DR_BENNIS)
    completed = await visits.complete(started)

    assert (started.status, refused.status, completed.status) == (201, 409, 200)


def test_guard_knows_every_signal() -> None:
    signals = workflow._Definition.must_from_class(PatientVisit).signals

    assert {name: len(signal.arg_types or []) for name, signal in signals.items()} == ARGUMENTS
