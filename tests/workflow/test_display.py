"""What Temporal's UI shows of a visit: search attributes, details, summaries, and the results of updates. It never blocks a patient."""

import json
import operator
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata

from patient_visit_engine.visit.search_attributes import VisitAttributes
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows import visit_display
from patient_visit_engine.workflows.visit_display import WRITE_AFTER
from tests.support.changed_code import change_worker_code
from tests.support.databases import database_on
from tests.support.displayed_visits import (
    UPSERT,
    events_of,
    is_written,
    read_attributes,
    summaries_of_timers,
    writes_of,
)
from tests.support.visit_rows import (
    DOCTOR_NAMES,
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    DR_DAOUDI,
    PATIENT_NAME,
)
from tests.support.visits import VisitDriver, visits_in_memory
from tests.support.waiting import wait_until_async

# Their kinds make no difference here.
database = database_on("sqlite")
cached_visits = visits_in_memory(CACHED_VISITS)

A_MOMENT = timedelta(seconds=1)
A_MINUTE = 60.0
#: Temporal's own search attribute of workflows whose tasks fail.
REPORTED_PROBLEMS = "TemporalReportedProblems"


async def skip_interval(visits: VisitDriver) -> None:
    """Skip the time in which the attributes are written, and wait until the visit has handled the timer."""
    await visits.skip_time(until=await visits.now() + WRITE_AFTER + A_MOMENT)
    await wait_until_async(lambda: _is_idle(visits), "the visit has no open workflow task")


async def _is_idle(visits: VisitDriver) -> bool:
    description = await visits.workflow().describe()
    return not description.raw_description.HasField("pending_workflow_task")


async def read_metadata(visits: VisitDriver) -> WorkflowMetadata:
    metadata: WorkflowMetadata = await visits.workflow().query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return metadata


async def test_attributes_follow_the_patient(visits: VisitDriver) -> None:
    await visits.check_in(DR_AMRANI)
    free = await read_attributes(visits)
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await skip_interval(visits)
    held = await read_attributes(visits)
    await visits.complete(started)
    await skip_interval(visits)
    reserved = await read_attributes(visits)

    started_at = datetime.fromisoformat(started.body["started_at"])
    assert free == VisitAttributes()
    assert held == VisitAttributes("in_consultation", (DR_AMRANI, DR_BENNIS), started_at, 1)
    assert reserved == VisitAttributes("reserved", (DR_BENNIS,), None, 1)


async def test_burst_of_messages_costs_one_write(visits: VisitDriver) -> None:
    await visits.start(DR_AMRANI)
    for doctor in (DR_BENNIS, DR_CHRAIBI, DR_DAOUDI) * 4:
        await visits.wait(doctor)
        await visits.leave(doctor)
    await visits.wait(DR_BENNIS)
    await skip_interval(visits)

    assert len(await writes_of(visits)) == 1
    assert (await read_attributes(visits)).waiting_count == 1


async def test_visit_writes_at_most_every_five_seconds(visits: VisitDriver) -> None:
    for doctor in (DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI):
        await visits.start(doctor, wait=True)
        await visits.skip_time(until=await visits.now() + WRITE_AFTER / 2)
    await skip_interval(visits)

    writes = await writes_of(visits)

    assert len(writes) > 1
    assert [pause for pause in map(operator.sub, writes[1:], writes) if pause < timedelta(seconds=5)] == []


async def test_changes_that_cancel_out_are_not_written(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.complete(started)
    await skip_interval(visits)

    assert await writes_of(visits) == []


async def test_new_run_writes_what_the_old_one_left(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=2))
    await visits.start(DR_AMRANI)
    await skip_interval(visits)
    await visits.wait(DR_BENNIS)
    await wait_until_async(lambda: _has_runs(visits, 2), "a new run")
    carried = await read_attributes(visits)
    await skip_interval(visits)

    assert (carried.doctor_ids, carried.waiting_count) == ((DR_AMRANI,), 0)
    assert (await read_attributes(visits)).doctor_ids == (DR_AMRANI, DR_BENNIS)


async def _has_runs(visits: VisitDriver, count: int) -> bool:
    return len(await visits.histories()) == count


def client_without(visits: VisitDriver, options: dict[str, Any]) -> None:
    """Open the visits as an older program does, without these options."""
    own_opening = visits.client._opening

    def older_opening(*arguments: Any, **_keywords: Any) -> Any:
        return own_opening(*arguments).model_copy(update=options)

    visits.client._opening = older_opening  # type: ignore[method-assign]


async def test_visit_of_older_program_writes_no_attributes(visits: VisitDriver) -> None:
    client_without(visits, {"writes_attributes": False})
    await visits.start(DR_AMRANI)
    await skip_interval(visits)

    assert await writes_of(visits) == []
    assert await read_attributes(visits) == VisitAttributes()


async def test_write_costs_six_events_behind_the_answer(visits: VisitDriver) -> None:
    own_opening = visits.client._opening
    client_without(visits, {"writes_attributes": False})
    await visits.complete(await visits.start(DR_AMRANI))
    without = [event.event_type for event in await events_of(visits)]
    await visits.workflow().terminate()
    visits.client._opening = own_opening  # type: ignore[method-assign]
    await visits.start(DR_BENNIS)
    answered = [event.event_type for event in await events_of(visits)]
    # Without skipped time, because that adds events.
    await wait_until_async(lambda: is_written(visits), "the attributes are written")
    written = [event.event_type for event in await events_of(visits)]

    # The start itself costs the timer. The timer of the reminder is the last event of the first task.
    of_start = without[: len(answered) - 1]
    assert answered == [*of_start, EventType.EVENT_TYPE_TIMER_STARTED]
    assert written[len(answered) :] == [
        EventType.EVENT_TYPE_TIMER_FIRED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        UPSERT,
    ]


async def test_details_are_in_words_and_local_time(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)

    details = (await read_metadata(visits)).current_details

    def local(name: str) -> str:
        return f"{datetime.fromisoformat(started.body[name]).astimezone(visits.calendar.zone):%H:%M:%S}"

    overdue_at = local("overdue_at")
    assert f"**Patient {visits.patient}, {visits.today}**" in details
    assert (
        f"**In consultation** with doctor {DR_AMRANI} since {local('started_at')}, expected until {overdue_at}."
        in details
    )
    assert "Prestation 1, appointment" in details
    assert f"**Waiting, position 1**: doctor {DR_BENNIS} for appointment" in details
    assert f"**Next timer** at {overdue_at}: reminder to doctor {DR_AMRANI}." in details
    assert f"Times are local ({visits.calendar.zone.key})." in details
    assert [name for name in (*PATIENT_NAME, *DOCTOR_NAMES.values(), "Cardiology") if name in details] == []


async def test_failing_details_block_no_patient(visits: VisitDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> str:
        raise KeyError("no such text")

    monkeypatch.setattr(visit_display, "summary", fail)

    assert (await visits.start(DR_AMRANI)).status == 201


async def test_visit_and_its_timers_have_summaries(visits: VisitDriver) -> None:
    await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)

    description = await visits.workflow().describe()
    summaries = summaries_of_timers(await events_of(visits))

    assert await description.static_summary() == f"Patient {visits.patient}, {visits.today}"
    assert summaries == ["next write of the search attributes", f"reminder to doctor {DR_AMRANI}"]


async def test_every_message_has_a_description(visits: VisitDriver) -> None:
    await visits.check_in(DR_AMRANI)

    definition = (await read_metadata(visits)).definition
    messages = [*definition.query_definitions, *definition.signal_definitions, *definition.update_definitions]
    ours = {message.name: message.description for message in messages if not message.name.startswith("__")}

    assert len(ours) >= 13
    assert [name for name, description in ours.items() if not description.endswith(".")] == []


async def results_of(visits: VisitDriver) -> list[Any]:
    """The results of the updates, as Temporal's UI shows them."""
    outcomes = [
        event.workflow_execution_update_completed_event_attributes.outcome
        for event in await events_of(visits)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
    ]
    return [json.loads(outcome.success.payloads[0].data) for outcome in outcomes]


async def test_result_of_update_is_granted_or_refused(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.start(DR_BENNIS)
    await visits.complete(started, by=DR_DAOUDI)
    await visits.complete(started)
    await visits.release(started)

    assert [(result["decided"], result["answer"], result["code"]) for result in await results_of(visits)] == [
        (True, "granted", None),
        (True, "refused", "patient_in_consultation"),
        (True, "refused", "not_yours"),
        (True, "granted", None),
        (True, "refused", "consultation_ended"),
    ]


async def test_repeat_returns_the_stored_answer(visits: VisitDriver) -> None:
    start = await visits.start_command(DR_AMRANI)
    started = await visits.send(start)
    await visits.complete(started)
    refused = await visits.start_command(DR_AMRANI)
    await visits.send(refused)

    repeated = await visits.workflow().execute_update("start_consultation", start, id="again")
    repeated_refusal = await visits.workflow().execute_update("start_consultation", refused, id="and again")

    assert repeated == {"decided": True, "answer": "granted", "code": None}
    assert repeated_refusal == {"decided": True, "answer": "refused", "code": "appointment_closed"}


async def test_failing_visit_is_reported_within_a_minute(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    await visits.start(DR_AMRANI)
    await change_worker_code(visits, monkeypatch)
    await visits.workflow().signal("patient_freed")

    async def is_reported() -> bool:
        return REPORTED_PROBLEMS in (await visits.workflow().describe()).search_attributes

    async def is_reported_no_more() -> bool:
        return not await is_reported()

    await wait_until_async(is_reported, "the visit is reported", A_MINUTE)
    monkeypatch.undo()
    await visits.stop_worker()
    await visits.start_worker()
    await wait_until_async(is_reported_no_more, "the visit is no longer reported")

    assert (await visits.start(DR_BENNIS)).status == 409
