"""Doctors who wait for a busy patient: who is offered the patient, for how long, and what passes the offer on."""

from datetime import timedelta

from patient_visit_engine.visit.state import Limits
from tests.support.visits import DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI, Answer, VisitDriver

A_MINUTE = timedelta(minutes=1)
A_MOMENT = timedelta(seconds=20)


async def _a_line_of_two(clinic: VisitDriver) -> Answer:
    begun = await clinic.start(DR_AMRANI)
    refused = await clinic.start(DR_BENNIS, wait=True)
    placed = await clinic.wait(DR_CHRAIBI)
    assert (refused.body["position"], placed.body["position"]) == (1, 2)
    return begun


async def test_the_first_in_line_is_offered_the_patient_and_others_are_refused_meanwhile(clinic: VisitDriver) -> None:
    begun = await _a_line_of_two(clinic)

    await clinic.complete(begun)
    refused = await clinic.start(DR_DAOUDI)
    taken_up = await clinic.start(DR_BENNIS)

    (offered,) = await clinic.told("consultation.available")
    assert offered.channel == f"doctor.{DR_BENNIS}"
    assert (refused.status, refused.body["code"]) == (409, "patient_reserved")
    assert (refused.body["reserved_for_id"], refused.body["until"]) == (DR_BENNIS, offered.data["offer_until"])
    assert taken_up.status == 201
    assert [place.doctor_id for place in (await clinic.facts()).waiting] == [DR_CHRAIBI]
    assert len(await clinic.told("consultation.blocked")) == 1


async def test_an_unused_offer_passes_down_the_line_and_then_the_patient_is_free_for_all(clinic: VisitDriver) -> None:
    begun = await _a_line_of_two(clinic)
    await clinic.complete(begun)
    (first,) = await clinic.told("consultation.available")

    await clinic.time_passes(until=first.at + A_MINUTE + A_MOMENT)
    _, second = await clinic.told("consultation.available")
    late = await clinic.start(DR_BENNIS)
    await clinic.time_passes(until=second.at + A_MINUTE + A_MOMENT)
    free = await clinic.start(DR_DAOUDI)

    assert A_MINUTE <= second.at - first.at < A_MINUTE + timedelta(seconds=10)
    assert (second.channel, late.body["reserved_for_id"]) == (f"doctor.{DR_CHRAIBI}", DR_CHRAIBI)
    assert free.status == 201
    assert (await clinic.facts()).waiting == ()


async def test_a_doctor_who_leaves_passes_the_open_offer_on_at_once(clinic: VisitDriver) -> None:
    begun = await _a_line_of_two(clinic)
    await clinic.complete(begun)

    left = await clinic.leave(DR_BENNIS)

    offers = await clinic.told("consultation.available")
    assert left.status == 204
    assert [offer.channel for offer in offers] == [f"doctor.{DR_BENNIS}", f"doctor.{DR_CHRAIBI}"]


async def test_without_reservations_all_who_wait_are_told_and_the_first_to_start_wins(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(offer=timedelta(0)))
    begun = await _a_line_of_two(clinic)

    await clinic.complete(begun)
    won = await clinic.start(DR_CHRAIBI)
    refused = await clinic.start(DR_BENNIS)
    await clinic.complete(won)

    offers = await clinic.told("consultation.available")
    assert (won.status, refused.body["code"]) == (201, "patient_in_consultation")
    assert [offer.channel for offer in offers] == [
        f"doctor.{DR_BENNIS}",
        f"doctor.{DR_CHRAIBI}",
        f"doctor.{DR_BENNIS}",
    ]
    assert [place.doctor_id for place in (await clinic.facts()).waiting] == [DR_BENNIS]


async def test_there_is_nothing_to_wait_for_when_the_patient_is_free(clinic: VisitDriver) -> None:
    refused = await clinic.wait(DR_AMRANI)

    assert (refused.status, refused.body["code"]) == (409, "patient_free")
