"""Visits run in the SDK's sandbox, which finds code that is not deterministic. The worker runs them without it, for speed."""

from datetime import timedelta

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from patient_visit_engine.visit.state import Limits
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS
from tests.support.visits import VisitDriver


async def test_visit_runs_in_the_sandbox(visits_without_worker: VisitDriver) -> None:
    visits = visits_without_worker
    visits.set_limits(Limits(messages_per_run=5))
    await visits.start_worker(cached=0, runner=SandboxedWorkflowRunner())
    await visits.check_in(DR_AMRANI)
    started = await visits.start(DR_AMRANI)
    await visits.start(DR_BENNIS, wait=True)

    await visits.skip_time(until=await visits.now() + timedelta(minutes=21))
    await visits.complete(started)
    await visits.start(DR_BENNIS)
    await visits.check_in(DR_AMRANI)

    names = [event.name for event in await visits.events() if event.name.startswith("consultation.")]
    assert names == [
        "consultation.started",
        "consultation.blocked",
        "consultation.overdue",
        "consultation.completed",
        "consultation.available",
        "consultation.started",
    ]
