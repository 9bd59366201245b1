"""The SDK's sandbox, which the worker leaves out for speed, finds nothing in a visit that a replay could decide otherwise."""

from datetime import timedelta

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from patient_visit_engine.visit.state import Limits
from tests.support.visits import DR_AMRANI, DR_BENNIS, VisitDriver


async def test_the_main_path_of_a_visit_runs_in_the_sandbox(unstaffed_clinic: VisitDriver) -> None:
    clinic = unstaffed_clinic
    clinic.goes_by(Limits(messages_per_run=5))
    await clinic.hire(cached=0, runner=SandboxedWorkflowRunner())
    await clinic.check_in(DR_AMRANI)
    begun = await clinic.start(DR_AMRANI)
    await clinic.start(DR_BENNIS, wait=True)

    await clinic.time_passes(until=await clinic.now() + timedelta(minutes=21))
    await clinic.complete(begun)
    await clinic.start(DR_BENNIS)
    await clinic.check_in(DR_AMRANI)

    told = [event.name for event in await clinic.told() if event.name.startswith("consultation.")]
    assert told == [
        "consultation.started",
        "consultation.blocked",
        "consultation.overdue",
        "consultation.completed",
        "consultation.available",
        "consultation.started",
    ]
