"""What time does to a consultation: reminders, abandonment, and a completion that comes at the same moment."""

import asyncio
from datetime import UTC, datetime, timedelta

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from tests.support.visits import CARDIOLOGY_MINUTES, DR_AMRANI, DR_BENNIS, DR_SURGERY, Answer, VisitDriver

A_SECOND = timedelta(seconds=1)
A_MINUTE = timedelta(minutes=1)
EXPECTED = timedelta(minutes=CARDIOLOGY_MINUTES)
#: Time skips to the moment that a timer is due; the server then fires it within about a second.
ON_TIME = timedelta(seconds=10)


def _started(begun: Answer) -> datetime:
    return datetime.fromisoformat(begun.body["started_at"])


async def test_the_holder_is_reminded_when_the_expected_time_is_over_and_every_quarter_of_an_hour(
    clinic: VisitDriver,
) -> None:
    begun = await clinic.start(DR_AMRANI)
    due = _started(begun) + EXPECTED

    await clinic.time_passes(until=due - A_MINUTE)
    early = await clinic.told("consultation.overdue")
    await clinic.time_passes(until=due + timedelta(minutes=31))

    reminders = await clinic.told("consultation.overdue")
    assert early == []
    assert [event.channel for event in reminders] == [f"doctor.{DR_AMRANI}"] * 3
    assert [event.data["overdue_minutes"] for event in reminders] == [0, 15, 30]
    for n, event in enumerate(reminders):
        assert timedelta(0) <= event.at - (due + n * timedelta(minutes=15)) < ON_TIME


async def test_an_extension_moves_the_reminder(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)
    await clinic.extend(begun, 30)
    due = _started(begun) + EXPECTED + timedelta(minutes=30)

    await clinic.time_passes(until=due - A_MINUTE)
    early = await clinic.told("consultation.overdue")
    await clinic.time_passes(until=due + A_MINUTE)

    (reminder,) = await clinic.told("consultation.overdue")
    assert early == []
    assert timedelta(0) <= reminder.at - due < ON_TIME


async def test_an_abandoned_consultation_is_closed_and_its_appointment_may_be_started_again(
    clinic: VisitDriver,
) -> None:
    clinic.goes_by(Limits(abandon_after=timedelta(minutes=10)))
    abandoned = await clinic.start(DR_AMRANI)
    due = _started(abandoned) + timedelta(minutes=10)

    await clinic.time_passes(until=due + A_MINUTE)
    appointment = await clinic.appointment(DR_AMRANI)
    late = await clinic.complete(abandoned)
    again = await clinic.start(DR_AMRANI)

    _, completed, released, restarted = await clinic.told()
    closed, running = await clinic.trackings()
    assert (completed.name, completed.data["outcome"]) == ("consultation.completed", "timed_out")
    assert (released.name, released.channel) == ("consultation.released", f"doctor.{DR_AMRANI}")
    assert timedelta(0) <= completed.at - due < ON_TIME
    assert appointment.status is AppointmentStatus.confirmed
    assert (late.status, late.body["code"], late.body["outcome"]) == (409, "consultation_ended", "timed_out")
    assert (again.status, restarted.name) == (201, "consultation.started")
    assert (closed.outcome, running.status) == ("timed_out", "in_progress")


async def test_the_timer_of_a_completed_consultation_does_nothing_to_the_next_one(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(abandon_after=timedelta(minutes=30)))
    first = await clinic.start(DR_SURGERY)
    await clinic.time_passes(until=_started(first) + EXPECTED)
    await clinic.complete(first)
    second = await clinic.start(DR_BENNIS)

    await clinic.time_passes(until=_started(first) + timedelta(minutes=35))

    (running,) = (await clinic.snapshot()).facts.in_progress
    assert running.id == second.body["id"]
    assert [event.name for event in await clinic.told()] == [
        "consultation.started",
        "consultation.completed",
        "consultation.started",
    ]


async def test_a_completion_that_reaches_the_visit_together_with_the_timeout_goes_first(
    unstaffed_clinic: VisitDriver, cached_visits: int
) -> None:
    clinic = unstaffed_clinic
    clinic.goes_by(Limits(abandon_after=2 * A_SECOND))
    await clinic.hire(cached=cached_visits)
    begun = await clinic.start(DR_AMRANI)
    await clinic.dismiss()
    await clinic.eventually(lambda: _timer_has_fired(clinic))

    asked = asyncio.create_task(clinic.complete(begun))
    await clinic.eventually(lambda: _an_update_has_arrived(clinic))
    await clinic.hire(cached=cached_visits)

    assert (await asked).status == 200
    assert [event.data.get("outcome") for event in await clinic.told("consultation.completed")] == ["done"]


async def _timer_has_fired(clinic: VisitDriver) -> bool:
    history = await clinic.visit().fetch_history()
    return any(event.HasField("timer_fired_event_attributes") for event in history.events)


async def _an_update_has_arrived(clinic: VisitDriver) -> bool:
    # An update that no worker has taken is in no history; the server has it once it scheduled or kept a task for it.
    description = await clinic.visit().describe()
    return description.raw_description.HasField("pending_workflow_task")


async def test_a_timeout_that_falls_due_while_a_completion_is_recorded_finds_nothing_to_end(
    clinic: VisitDriver,
) -> None:
    clinic.goes_by(Limits(abandon_after=2 * A_SECOND))
    begun = await clinic.start(DR_AMRANI)
    clinic.ledger.shut()
    completing = asyncio.create_task(clinic.complete(begun))
    await clinic.eventually(lambda: _somebody_is_at_the_door(clinic))

    await clinic.eventually(lambda: _it_is_past(_started(begun) + 2 * A_SECOND))
    clinic.ledger.reopen()
    ended = await completing
    again = await clinic.complete(begun)

    assert (ended.status, ended.body["outcome"]) == (200, "done")
    assert again == ended
    assert len(await clinic.told("consultation.completed")) == 1
    assert await clinic.told("consultation.released") == []


async def test_a_completion_that_comes_while_the_timeout_is_recorded_hears_of_it(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(abandon_after=2 * A_SECOND))
    begun = await clinic.start(DR_AMRANI)
    clinic.ledger.shut()
    await clinic.eventually(lambda: _somebody_is_at_the_door(clinic))

    completing = asyncio.create_task(clinic.complete(begun))
    clinic.ledger.reopen()
    refused = await completing

    assert (refused.status, refused.body["outcome"]) == (409, "timed_out")
    assert [event.data["outcome"] for event in await clinic.told("consultation.completed")] == ["timed_out"]


async def test_a_timeout_that_passed_while_no_worker_ran_is_made_up_for_at_once(
    unstaffed_clinic: VisitDriver, cached_visits: int
) -> None:
    clinic = unstaffed_clinic
    clinic.goes_by(Limits(abandon_after=2 * A_SECOND))
    await clinic.hire(cached=cached_visits)
    begun = await clinic.start(DR_AMRANI)
    await clinic.dismiss()
    await clinic.eventually(lambda: _it_is_past(_started(begun) + 2 * A_SECOND))

    await clinic.hire(cached=cached_visits)
    (completed,) = await clinic.eventually(lambda: clinic.told("consultation.completed"))

    assert completed.data["outcome"] == "timed_out"
    assert (await clinic.facts()).in_progress == ()


async def _somebody_is_at_the_door(clinic: VisitDriver) -> bool:
    return clinic.ledger.waiting > 0


async def _it_is_past(moment: datetime) -> bool:
    return datetime.now(UTC) > moment
