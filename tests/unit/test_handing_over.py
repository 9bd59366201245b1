"""Reassignments that come late: what has happened since is not undone."""

from patient_visit_engine.visit.changes import RewriteAppointment
from patient_visit_engine.visit.decisions import AppointmentAnswer, Refused
from patient_visit_engine.visit.line_changes import EndReservation, OfferPatient
from patient_visit_engine.visit.policy import decide, decide_on_appointment
from patient_visit_engine.visit.refusals import AppointmentMismatch
from tests.support.builders import (
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    NOON,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_reassignment

READ = an_appointment(DR_AMRANI)


def test_late_reassignment_does_not_take_it_from_a_third_doctor() -> None:
    present = READ.model_copy(update={"doctor_id": DR_LINDQVIST.id})

    decision = decide_on_appointment(a_reassignment(READ, DR_OKAFOR), present, a_visit(), NOON)

    assert decision.answer == Refused(refusal=AppointmentMismatch())
    assert decision.changes == ()


def test_reassignment_that_stands_already_is_granted() -> None:
    present = READ.model_copy(update={"doctor_id": DR_OKAFOR.id})

    decision = decide_on_appointment(a_reassignment(READ, DR_OKAFOR), present, a_visit(), NOON)

    assert decision.answer == AppointmentAnswer(appointment=present)
    assert decision.changes == ()


def test_reservation_without_a_place_passes_to_the_line() -> None:
    reservation = a_reservation(DR_AMRANI, NOON + minutes(1))
    visit = a_visit(waiting=[DR_OKAFOR], reservation=reservation)

    decision = decide(a_reassignment(READ, DR_LINDQVIST), visit, NOON)

    assert [type(change) for change in decision.changes] == [RewriteAppointment, EndReservation, OfferPatient]
