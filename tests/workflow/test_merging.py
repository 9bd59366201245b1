"""A merge through Temporal: commands follow the survivor, the retired visit ends, and a crash changes nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from patient_visit_engine.visit.consultation_commands import CompleteConsultation, StartConsultation
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows.visit_errors import PatientMovedError
from tests.support.ledger import LedgerDriver
from tests.support.merged_visits import MergedVisits
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI
from tests.support.visits import VisitDriver

A_MINUTE = timedelta(minutes=1)
#: The patients to whose visits something was carried over, one entry for each time.
CARRIED_OVER = select(timeline.c.patient_id).where(timeline.c.event == "carried_over")


@pytest.fixture
async def merged(visits: VisitDriver) -> MergedVisits:
    """The visits of two records that are not merged yet."""
    both = MergedVisits(visits)
    await both.insert_other()
    return both


async def test_commands_follow_the_survivor(merged: MergedVisits) -> None:
    visits = merged.visits
    started = await merged.send(await merged.start_command(DR_AMRANI, "before"))
    stale = [await merged.start_command(doctor, f"stale {doctor}") for doctor in (DR_BENNIS, DR_CHRAIBI)]

    answer = await visits.send(await merged.merge_command())

    assert (answer.status, answer.body["retired"]) == (200, [merged.other])
    # The retired visit has a running consultation, and its next timer is far away.
    await visits.client.end_retired(merged.other, visits.today)
    await merged.wait_until_other_has_ended()
    assert [c.patient_id for c in (await visits.snapshot()).facts.in_progress] == [visits.patient]
    refused = await merged.send(stale[0])
    assert (refused.status, refused.body["code"]) == (409, "patient_in_consultation")
    completion = CompleteConsultation(
        request=visits.request("complete"),
        patient_id=merged.other,
        consultation_id=started.body["id"],
        doctor_id=DR_AMRANI,
    )
    completed = await merged.send(completion)
    assert (completed.status, completed.body["patient_id"]) == (200, visits.patient)
    # Each opening of a retired visit ends it again.
    await merged.wait_until_other_has_ended()
    # An asynchronous start was stored before the merge.
    later = stale[1]
    await visits.database.write(_store_command, later)
    await visits.sweep(datetime.now(UTC) + timedelta(minutes=1))
    granted = await visits.wait_for_answer(later.request)
    assert (granted.status, granted.body["patient_id"]) == (201, visits.patient)
    assert len(await visits.events("consultation.started")) == 2


def _store_command(connection: Connection, command: StartConsultation) -> None:
    valid_until = datetime.now(UTC) + timedelta(hours=1)
    request = command.request.model_copy(update={"valid_until": valid_until, "asynchronous": True})
    open_request(connection, request, datetime.now(UTC), command=command.model_copy(update={"request": request}))


async def test_command_in_flight_is_carried_out_once_for_survivor(merged: MergedVisits) -> None:
    visits = merged.visits
    start, merge = await merged.start_command(DR_AMRANI, "in flight"), await merged.merge_command()
    visits.ledger.block()
    sending = asyncio.create_task(merged.send(start))
    await visits.wait_until_blocked()

    # The merge commits while the visit of the retired record waits for the ledger.
    direct = LedgerDriver(visits.database, patient_id=visits.patient, day=visits.today)
    assert (await direct.send(merge, datetime.now(UTC))).status == 200
    visits.ledger.unblock()
    answer = await sending

    assert (answer.status, answer.body["patient_id"]) == (201, visits.patient)
    assert len(await visits.events("consultation.started")) == 1
    await merged.wait_until_other_has_ended()


async def test_command_in_flight_follows_a_separation(merged: MergedVisits) -> None:
    visits = merged.visits
    await visits.send(await merged.merge_command())
    start, late = [await merged.start_command(doctor, f"in flight {doctor}") for doctor in (DR_AMRANI, DR_BENNIS)]
    await visits.send(await merged.separate_command())

    answer = await visits.send_and_follow(start)

    assert (answer.status, answer.body["patient_id"]) == (201, merged.other)
    # The sender dies before it sends the second one to the other visit. Its repeat comes after another merge.
    with pytest.raises(PatientMovedError):
        await visits.send(late)
    await visits.send(await merged.merge_command("again"))
    refused = await visits.send_and_follow(late)
    assert (refused.status, refused.body["code"]) == (409, "patient_in_consultation")
    assert len(await visits.events("consultation.started")) == 1


async def test_answer_stands_after_crash_behind_the_commit(merged: MergedVisits) -> None:
    visits = merged.visits
    await merged.send(await merged.start_command(DR_AMRANI, "before"))
    await visits.start(DR_BENNIS)
    visits.ledger.lost_answers = 1

    answer = await visits.send(await merged.merge_command())

    assert visits.ledger.failed == 1
    assert (answer.status, answer.body["both_in_consultation"]) == (200, True)
    assert len(await visits.events("patient.merged")) == 1
    third = await visits.start(DR_CHRAIBI)
    assert (third.status, third.body["code"]) == (409, "patient_in_consultation")
    assert len((await visits.snapshot()).facts.in_progress) == 2


async def test_timer_of_retired_visit_does_nothing(merged: MergedVisits) -> None:
    visits = merged.visits
    started = await merged.send(await merged.start_command(DR_AMRANI, "before"))
    await visits.send(await merged.merge_command())
    due = datetime.fromisoformat(started.body["overdue_at"])

    # The retired visit has got no signal, so its reminder is still set.
    await merged.skip_time_of_other(until=due + A_MINUTE)
    await merged.wait_until_other_has_ended()
    reminders_of_retired = await visits.events("consultation.overdue")
    await visits.skip_time(until=due + A_MINUTE)

    (reminder,) = await visits.wait_for_events("consultation.overdue")
    assert reminders_of_retired == []
    assert (reminder.channel, reminder.data["patient_id"]) == (f"doctor.{DR_AMRANI}", visits.patient)


@pytest.mark.parametrize("cached_visits", [CACHED_VISITS], indirect=True)
async def test_day_end_carries_a_merged_person_over_once(merged: MergedVisits) -> None:
    visits, tomorrow = merged.visits, merged.visits.today + A_DAY
    ends_at = visits.calendar.ends_at(visits.today)
    visits.set_limits(Limits(abandon_after=2 * A_DAY, remind_every=2 * A_DAY))
    await merged.send(await merged.start_command(DR_AMRANI, "today"))
    await visits.book(tomorrow)
    later = await merged.start_command(DR_BENNIS, "tomorrow")
    await visits.send(await merged.merge_command())

    await merged.skip_time_of_other(until=ends_at + CARRY_OVER_WITHIN)
    await merged.wait_until_other_has_ended()
    await visits.skip_time(until=ends_at + CARRY_OVER_WITHIN)
    await visits.wait_until_closed(visits.today)
    await visits.sweep(ends_at + CARRY_OVER_WITHIN)
    # The sender still has the retired id.
    await visits.client.send(merged.other, tomorrow, later, later.request.id)

    refused = await visits.wait_for_answer(later.request)
    carried = await visits.database.read(lambda connection: connection.scalars(CARRIED_OVER).all())
    assert (refused.status, refused.body["code"]) == (409, "patient_in_consultation")
    assert carried == [visits.patient]
    assert [(row.person_id, row.visit_day) for row in await visits.trackings()] == [(visits.patient, tomorrow)]
    await merged.wait_until_other_has_ended(tomorrow)


@pytest.mark.parametrize("cached_visits", [CACHED_VISITS], indirect=True)
async def test_separated_records_have_their_own_timers(merged: MergedVisits) -> None:
    visits = merged.visits
    await visits.send(await merged.merge_command())
    await visits.client.end_retired(merged.other, visits.today)
    await visits.send(await merged.separate_command())

    of_patient = await visits.start(DR_AMRANI)
    of_other = await merged.send(await merged.start_command(DR_BENNIS, "separated"))
    due = datetime.fromisoformat(of_other.body["overdue_at"])
    await merged.skip_time_of_other(until=due + A_MINUTE)

    (reminder,) = await visits.wait_for_events("consultation.overdue")
    assert [answer.body["patient_id"] for answer in (of_patient, of_other)] == [visits.patient, merged.other]
    assert (reminder.channel, reminder.data["patient_id"]) == (f"doctor.{DR_BENNIS}", merged.other)
    assert [c.doctor_id for c in (await visits.snapshot()).facts.in_progress] == [DR_AMRANI]
