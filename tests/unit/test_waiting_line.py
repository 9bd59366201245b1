"""Which waiting doctor is offered a patient who becomes free."""

from datetime import timedelta

from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.decisions import ConsultationAnswer, Decision, NotInLine, PlaceInLine, Refused
from patient_visit_engine.visit.facts import WaitingDoctor
from patient_visit_engine.visit.line_changes import EndReservation, LeaveLine, MoveDown, OfferPatient, WithdrawOffer
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.visit.timers import decide_due
from tests.support.builders import (
    DERMATOLOGY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    X_RAY,
    YESTERDAY,
    a_consultation,
    a_place,
    a_request,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_completion, a_leave, a_start, a_wait

WITH_SMITH = a_consultation(an_appointment(DR_SMITH))
ONE_MINUTE_LATER = NOON + minutes(1)
NO_RESERVATIONS = Limits(offer=timedelta(0))


def doctors_with_offer(decision: Decision | None) -> list[int]:
    """The doctors who are offered the patient."""
    assert decision is not None
    return [change.place.doctor_id for change in decision.changes if isinstance(change, OfferPatient)]


def doctors_who_left(decision: Decision | None) -> list[tuple[int, str]]:
    """The doctors who leave the line, and why."""
    assert decision is not None
    return [(change.place.doctor_id, change.why) for change in decision.changes if isinstance(change, LeaveLine)]


def with_line(visit: VisitState, *line: WaitingDoctor) -> VisitState:
    """The same visit with this waiting line."""
    return visit.model_copy(update={"facts": visit.facts.model_copy(update={"waiting": line})})


def test_first_in_line_gets_offer_for_a_minute() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(a_completion(WITH_SMITH), visit, NOON)

    _, offer = decision.changes
    assert isinstance(offer, OfferPatient)
    assert (offer.place, offer.until) == (visit.line()[0], ONE_MINUTE_LATER)


def test_end_of_x_ray_offers_nothing() -> None:
    x_ray = a_consultation(an_appointment(DR_LINDQVIST, prestation=X_RAY))
    visit = a_visit(consultations=[WITH_SMITH, x_ray], waiting=[DR_OKAFOR])

    assert doctors_with_offer(decide(a_completion(x_ray), visit, NOON)) == []


def test_doctor_has_only_one_place_in_line() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(a_wait(an_appointment(DR_AMRANI)), visit, NOON)

    assert decision.answer == PlaceInLine(position=2)
    assert decision.changes == ()


def test_joins_line_behind_an_open_offer() -> None:
    visit = a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    assert decide(a_wait(an_appointment(DR_AMRANI)), visit, NOON).answer == PlaceInLine(position=2)


def test_unused_offer_costs_one_place() -> None:
    visit = a_visit(
        waiting=[DR_OKAFOR, DR_AMRANI, DR_LINDQVIST], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER)
    )

    assert decide_due(visit, ONE_MINUTE_LATER - timedelta(milliseconds=1)) is None
    decision = decide_due(visit, ONE_MINUTE_LATER)

    assert decision is not None
    ended, moved, offer = decision.changes
    assert isinstance(ended, EndReservation)
    assert isinstance(moved, MoveDown)
    assert moved.next_place is not None
    assert (ended.why, moved.place.doctor_id, moved.place.unused_offers) == ("expired", DR_OKAFOR.id, 1)
    assert (moved.place.turn, moved.next_place.turn) == (2, 1)
    assert isinstance(offer, OfferPatient)
    assert offer.place == moved.next_place


def test_second_unused_offer_costs_the_place() -> None:
    missed_once = a_place(DR_OKAFOR, turn=1).model_copy(update={"unused_offers": 1})
    visit = a_visit(waiting=[missed_once, DR_AMRANI], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide_due(visit, ONE_MINUTE_LATER)

    assert doctors_who_left(decision) == [(DR_OKAFOR.id, "passed")]
    assert doctors_with_offer(decision) == [DR_AMRANI.id]


def test_only_doctor_in_line_gets_a_second_offer() -> None:
    visit = a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide_due(visit, ONE_MINUTE_LATER)

    assert doctors_who_left(decision) == []
    assert doctors_with_offer(decision) == [DR_OKAFOR.id]


def test_reservation_stands_until_its_end_is_recorded() -> None:
    visit = a_visit(waiting=[DR_OKAFOR, DR_AMRANI], reservation=a_reservation(DR_OKAFOR, NOON))

    decision = decide(a_start(an_appointment(DR_LINDQVIST), wait=True), visit, ONE_MINUTE_LATER)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_reserved"
    assert decision.answer.refusal.doctor_id == DR_OKAFOR.id
    assert decision.answer.refusal.position == 3
    assert doctors_with_offer(decision) == []


def test_other_appointment_keeps_the_place() -> None:
    other = an_appointment(DR_OKAFOR, prestation=DERMATOLOGY)
    visit = a_visit(waiting=[DR_OKAFOR, DR_AMRANI], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide(a_start(other), visit, NOON)

    assert isinstance(decision.answer, ConsultationAnswer)
    (ended,) = (change for change in decision.changes if isinstance(change, EndReservation))
    assert ended.why == "busy"
    assert doctors_who_left(decision) == []


def test_check_out_ends_place_and_reservation() -> None:
    appointment = an_appointment(DR_OKAFOR, status=AppointmentStatus.pending)
    visit = a_visit(
        checked_in=[appointment],
        waiting=[DR_OKAFOR, DR_AMRANI],
        reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER),
    )

    decision = decide(CheckOut(request=a_request("out"), appointment=appointment), visit, NOON)

    assert doctors_who_left(decision) == [(DR_OKAFOR.id, "checked_out")]
    assert doctors_with_offer(decision) == [DR_AMRANI.id]


def test_start_after_expired_offer_is_accepted() -> None:
    visit = a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, NOON))

    decision = decide(a_start(an_appointment(DR_OKAFOR)), visit, ONE_MINUTE_LATER)

    assert isinstance(decision.answer, ConsultationAnswer)
    assert doctors_who_left(decision) == [(DR_OKAFOR.id, "started")]


def test_doctor_with_offer_starts_and_leaves_line() -> None:
    visit = a_visit(waiting=[DR_OKAFOR, DR_AMRANI], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide(a_start(an_appointment(DR_OKAFOR)), visit, NOON)

    assert isinstance(decision.answer, ConsultationAnswer)
    assert doctors_who_left(decision) == [(DR_OKAFOR.id, "started")]
    assert doctors_with_offer(decision) == []


def test_reserved_patient_is_refused_to_others() -> None:
    visit = a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide(a_start(an_appointment(DR_AMRANI)), visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_reserved"
    assert (decision.answer.refusal.doctor_id, decision.answer.refusal.until) == (DR_OKAFOR.id, ONE_MINUTE_LATER)


def test_x_ray_of_the_reserved_doctor_offers_to_the_next() -> None:
    # The appointment got another prestation after its doctor had joined the line.
    reserved = an_appointment(DR_OKAFOR).model_copy(update={"exclusive": False})
    visit = a_visit(waiting=[DR_OKAFOR, DR_AMRANI], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide(a_start(reserved), visit, NOON)

    assert doctors_who_left(decision) == [(DR_OKAFOR.id, "started")]
    assert doctors_with_offer(decision) == [DR_AMRANI.id]


def test_x_ray_of_reserved_patient_starts() -> None:
    visit = a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide(a_start(an_appointment(DR_AMRANI, prestation=X_RAY)), visit, NOON)

    assert isinstance(decision.answer, ConsultationAnswer)
    assert doctors_who_left(decision) == []


def test_start_before_the_offer_is_refused() -> None:
    visit = a_visit(waiting=[DR_OKAFOR])

    decision = decide(a_start(an_appointment(DR_AMRANI)), visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_reserved"
    assert doctors_with_offer(decision) == [DR_OKAFOR.id]


def test_leaving_passes_an_open_offer_on() -> None:
    visit = a_visit(waiting=[DR_OKAFOR, DR_AMRANI], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    decision = decide(a_leave(an_appointment(DR_OKAFOR)), visit, NOON)

    assert decision.answer == NotInLine()
    assert doctors_who_left(decision) == [(DR_OKAFOR.id, "left")]
    assert doctors_with_offer(decision) == [DR_AMRANI.id]


def test_leaving_a_busy_patient_offers_nothing() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(a_leave(an_appointment(DR_OKAFOR)), visit, NOON)

    assert doctors_who_left(decision) == [(DR_OKAFOR.id, "left")]
    assert doctors_with_offer(decision) == []


def test_leaving_without_a_place_changes_nothing() -> None:
    decision = decide(a_leave(an_appointment(DR_OKAFOR)), a_visit(), NOON)

    assert (decision.answer, decision.changes) == (NotInLine(), ())


def test_late_offer_is_made_again() -> None:
    visit = a_visit(waiting=[DR_OKAFOR, DR_AMRANI], reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER))

    on_time = decide_due(visit, ONE_MINUTE_LATER + minutes(1))
    late = decide_due(visit, ONE_MINUTE_LATER + minutes(1.1))

    assert doctors_with_offer(on_time) == [DR_AMRANI.id]
    assert doctors_with_offer(late) == [DR_OKAFOR.id]


def test_yesterdays_offer_still_reserves() -> None:
    visit = a_visit(
        waiting=[a_place(DR_OKAFOR, day=YESTERDAY)],
        reservation=a_reservation(DR_OKAFOR, ONE_MINUTE_LATER, day=YESTERDAY),
    )

    decision = decide(a_start(an_appointment(DR_AMRANI)), visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_reserved"
    assert doctors_who_left(decision) == []


def test_without_reservation_first_start_wins() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI], limits=NO_RESERVATIONS)

    completion = decide(a_completion(WITH_SMITH), visit, NOON)
    offers = tuple(change.place for change in completion.changes if isinstance(change, OfferPatient))
    free_visit = with_line(a_visit(limits=NO_RESERVATIONS), *offers)
    start = decide(a_start(an_appointment(DR_AMRANI)), free_visit, NOON)

    assert doctors_with_offer(completion) == [DR_OKAFOR.id, DR_AMRANI.id]
    assert decide_due(free_visit, NOON + minutes(30)) is None
    assert isinstance(start.answer, ConsultationAnswer)
    assert doctors_who_left(start) == [(DR_AMRANI.id, "started")]


def test_without_reservation_losers_get_new_offer() -> None:
    offers = (a_place(DR_OKAFOR, notified_at=NOON), a_place(DR_AMRANI, notified_at=NOON))
    start = decide(a_start(an_appointment(DR_AMRANI)), with_line(a_visit(limits=NO_RESERVATIONS), *offers), NOON)

    (withdrawn,) = (change.place for change in start.changes if isinstance(change, WithdrawOffer))
    busy_visit = with_line(a_visit(consultations=[WITH_SMITH], limits=NO_RESERVATIONS), withdrawn)

    assert withdrawn.doctor_id == DR_OKAFOR.id
    assert doctors_with_offer(decide(a_completion(WITH_SMITH), busy_visit, ONE_MINUTE_LATER)) == [DR_OKAFOR.id]
