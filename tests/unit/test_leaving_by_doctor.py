"""A doctor leaves the waiting line by any appointment with the patient, or when the appointment is canceled."""

import pytest

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import SetAppointmentStatus
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.decisions import Decision, NotInLine, StatusAnswer
from patient_visit_engine.visit.facts import Reservation
from patient_visit_engine.visit.line_changes import LeaveLine, OfferPatient
from patient_visit_engine.visit.policy import decide
from tests.support.builders import (
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    a_consultation,
    a_request,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_leave

WITH_SMITH = a_consultation(an_appointment(DR_SMITH))
WAITED_FOR, OTHER = an_appointment(DR_AMRANI), an_appointment(DR_AMRANI, prestation=DERMATOLOGY)


def doctors_who_left(decision: Decision) -> list[tuple[int, str]]:
    """The doctors who leave the line, and why."""
    return [(change.place.doctor_id, change.why) for change in decision.changes if isinstance(change, LeaveLine)]


def cancel(appointment: Appointment) -> SetAppointmentStatus:
    """Reception cancels the appointment."""
    return SetAppointmentStatus(request=a_request("cancel"), appointment=appointment, status=AppointmentStatus.canceled)


@pytest.mark.parametrize("appointment", [WAITED_FOR, OTHER], ids=["waited for", "other"])
def test_doctor_leaves_by_any_appointment(appointment: Appointment) -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(a_leave(appointment), visit, NOON)

    assert decision.answer == NotInLine()
    assert doctors_who_left(decision) == [(DR_AMRANI.id, "left")]


def test_leave_by_other_appointment_passes_offer() -> None:
    reserved = Reservation(doctor_id=DR_AMRANI.id, appointment_id=WAITED_FOR.id, day=DAY, until=NOON + minutes(1))

    decision = decide(a_leave(OTHER), a_visit(waiting=[DR_AMRANI, DR_OKAFOR], reservation=reserved), NOON)

    assert doctors_who_left(decision) == [(DR_AMRANI.id, "left")]
    assert [change.place.doctor_id for change in decision.changes if isinstance(change, OfferPatient)] == [DR_OKAFOR.id]


def test_canceling_removes_doctor_waiting_for_it() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(cancel(WAITED_FOR), visit, NOON)

    assert doctors_who_left(decision) == [(DR_AMRANI.id, "canceled")]


def test_canceling_other_appointment_keeps_place() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(cancel(OTHER), visit, NOON)

    assert decision.answer == StatusAnswer(appointment_id=OTHER.id, status=AppointmentStatus.canceled)
    assert doctors_who_left(decision) == []
