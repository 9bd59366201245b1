"""The waiting line: which doctor is offered a patient, for how long, and when the offer passes on."""

from datetime import timedelta

from patient_visit_engine.visit.state import Limits
from tests.support.patient_records import Answer
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI
from tests.support.visits import VisitDriver

A_MINUTE = timedelta(minutes=1)
TOLERANCE = timedelta(seconds=20)


async def _start_with_line_of_two(visits: VisitDriver) -> Answer:
    started = await visits.start(DR_AMRANI)
    refused = await visits.start(DR_BENNIS, wait=True)
    joined = await visits.wait(DR_CHRAIBI)
    assert (refused.body["position"], joined.body["position"]) == (1, 2)
    return started


async def test_first_in_line_is_offered_the_patient(visits: VisitDriver) -> None:
    started = await _start_with_line_of_two(visits)

    await visits.complete(started)
    refused = await visits.start(DR_DAOUDI)
    accepted = await visits.start(DR_BENNIS)

    (offered,) = await visits.events("consultation.available")
    assert offered.channel == f"doctor.{DR_BENNIS}"
    assert (refused.status, refused.body["code"]) == (409, "patient_reserved")
    assert (refused.body["reserved_for_id"], refused.body["until"]) == (DR_BENNIS, offered.data["offer_until"])
    assert accepted.status == 201
    assert [place.doctor_id for place in (await visits.facts()).waiting] == [DR_CHRAIBI]
    assert len(await visits.events("consultation.blocked")) == 1


async def test_expired_offer_passes_down_the_line(visits: VisitDriver) -> None:
    started = await _start_with_line_of_two(visits)
    await visits.complete(started)
    (first,) = await visits.events("consultation.available")

    await visits.skip_time(until=first.at + A_MINUTE + TOLERANCE)
    _, second = await visits.events("consultation.available")
    too_late = await visits.start(DR_BENNIS)
    await visits.skip_time(until=second.at + 3 * A_MINUTE + TOLERANCE)
    accepted = await visits.start(DR_DAOUDI)

    assert A_MINUTE <= second.at - first.at < A_MINUTE + timedelta(seconds=10)
    assert (second.channel, too_late.body["reserved_for_id"]) == (f"doctor.{DR_CHRAIBI}", DR_CHRAIBI)
    # Each doctor has two offers, and then leaves the line.
    both = [f"doctor.{DR_BENNIS}", f"doctor.{DR_CHRAIBI}"]
    assert [offer.channel for offer in await visits.events("consultation.available")] == both * 2
    assert [(ended.channel, ended.data["reason"]) for ended in await visits.events("waiting.ended")] == [
        (channel, "missed") for channel in both
    ]
    assert accepted.status == 201
    assert (await visits.facts()).waiting == ()


async def test_leaving_passes_an_open_offer_on(visits: VisitDriver) -> None:
    started = await _start_with_line_of_two(visits)
    await visits.complete(started)

    left = await visits.leave(DR_BENNIS)

    offers = await visits.events("consultation.available")
    assert left.status == 204
    assert [offer.channel for offer in offers] == [f"doctor.{DR_BENNIS}", f"doctor.{DR_CHRAIBI}"]


async def test_without_reservation_first_start_wins(visits: VisitDriver) -> None:
    visits.set_limits(Limits(offer=timedelta(0)))
    started = await _start_with_line_of_two(visits)

    await visits.complete(started)
    accepted = await visits.start(DR_CHRAIBI)
    refused = await visits.start(DR_BENNIS)
    await visits.complete(accepted)

    offers = await visits.events("consultation.available")
    assert (accepted.status, refused.body["code"]) == (201, "patient_in_consultation")
    assert [offer.channel for offer in offers] == [
        f"doctor.{DR_BENNIS}",
        f"doctor.{DR_CHRAIBI}",
        f"doctor.{DR_BENNIS}",
    ]
    assert [place.doctor_id for place in (await visits.facts()).waiting] == [DR_BENNIS]


async def test_waiting_for_a_free_patient_is_refused(visits: VisitDriver) -> None:
    refused = await visits.wait(DR_AMRANI)

    assert (refused.status, refused.body["code"]) == (409, "patient_free")
