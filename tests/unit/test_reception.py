"""Check-in, check-out and the appointment status, as reception and doctors set them."""

from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.changes import CarryOver, CloseTracking, OpenTracking, WriteAppointmentStatus
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.consultation_changes import EndConsultation
from patient_visit_engine.visit.decisions import StatusAnswer, TrackingAnswer
from patient_visit_engine.visit.facts import PendingTracking
from patient_visit_engine.visit.line_changes import LeaveLine
from patient_visit_engine.visit.policy import decide
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    X_RAY,
    YESTERDAY,
    a_consultation,
    a_request,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_check_in, a_status

CANCELED, DONE = AppointmentStatus.canceled, AppointmentStatus.done
OF_AMRANI = an_appointment(DR_AMRANI)


def test_patient_is_checked_in_once() -> None:
    appointment = an_appointment()

    first = decide(a_check_in(appointment), a_visit(), NOON)
    second = decide(a_check_in(appointment), a_visit(checked_in=[appointment]), NOON)

    assert first.changes == (OpenTracking(appointment=appointment),)
    assert first.answer == TrackingAnswer(appointment_id=appointment.id, created=True)
    assert second.changes == ()
    assert second.answer == TrackingAnswer(appointment_id=appointment.id, created=False)


def test_check_in_keeps_yesterdays_check_in() -> None:
    appointment = an_appointment()
    visit = a_visit()
    at_night = visit.day_starts_at - minutes(30)
    yesterday = PendingTracking(
        appointment_id=appointment.id, day=YESTERDAY, check_in_time=at_night, scheduled_at=at_night
    )
    facts = visit.facts.model_copy(update={"pending": (yesterday,)})

    decision = decide(a_check_in(appointment), visit.model_copy(update={"facts": facts}), visit.day_starts_at)

    assert decision.answer == TrackingAnswer(appointment_id=appointment.id, created=False)
    assert [type(change) for change in decision.changes] == [CarryOver]


def test_check_out_makes_appointment_confirmed() -> None:
    appointment = an_appointment(status=AppointmentStatus.pending)

    decision = decide(
        CheckOut(request=a_request("out"), appointment=appointment), a_visit(checked_in=[appointment]), NOON
    )

    closed = CloseTracking(appointment_id=appointment.id, outcome=Outcome.left, status=AppointmentStatus.confirmed)
    assert decision.changes == (closed,)


def test_cancel_closes_check_in_and_leaves_line() -> None:
    appointment = an_appointment(DR_AMRANI, status=AppointmentStatus.pending)
    visit = a_visit(in_consultation_with=DR_SMITH, checked_in=[appointment], waiting=[DR_AMRANI])

    decision = decide(a_status(appointment, CANCELED), visit, NOON)

    closed, removed = decision.changes
    assert closed == CloseTracking(appointment_id=appointment.id, outcome=Outcome.cancelled, status=CANCELED)
    assert removed == LeaveLine(place=visit.line()[0], why="canceled")


def test_unchanged_status_is_not_written() -> None:
    appointment = an_appointment(status=AppointmentStatus.confirmed)

    unchanged = decide(a_status(appointment, AppointmentStatus.confirmed), a_visit(), NOON)
    changed = decide(a_status(appointment, AppointmentStatus.scheduled), a_visit(), NOON)

    assert unchanged.changes == ()
    assert unchanged.answer == StatusAnswer(appointment_id=appointment.id, status=AppointmentStatus.confirmed)
    assert changed.changes == (
        WriteAppointmentStatus(appointment_id=appointment.id, status=AppointmentStatus.scheduled),
    )


def test_status_done_completes_own_consultation() -> None:
    consultation, x_ray = a_consultation(OF_AMRANI), a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY))

    decision = decide(a_status(OF_AMRANI, DONE, by=DR_AMRANI.id), a_visit(consultations=[x_ray, consultation]), NOON)

    assert decision.changes == (EndConsultation(consultation=consultation, outcome=Outcome.done),)
