"""Who leaves the line: the doctor who says so, whichever appointment is named, and who waits for what was canceled."""

import pytest

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import SetAppointmentStatus
from patient_visit_engine.visit.decisions import Decision, LeaveLine, NotInLine, OfferPatient, StatusStands
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import Appointment
from tests.support.builders import (
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
WAITED_FOR, ANOTHER = an_appointment(DR_AMRANI), an_appointment(DR_AMRANI, prestation=DERMATOLOGY)


def left(decision: Decision) -> list[tuple[int, str]]:
    """The doctors who leave the line, and why."""
    return [(change.place.doctor_id, change.why) for change in decision.changes if isinstance(change, LeaveLine)]


def canceled(appointment: Appointment) -> SetAppointmentStatus:
    """Reception cancels the appointment."""
    return SetAppointmentStatus(request=a_request("cancel"), appointment=appointment, status=AppointmentStatus.canceled)


@pytest.mark.parametrize("named", [WAITED_FOR, ANOTHER], ids=["the one waited for", "another of the same patient"])
def test_a_doctor_leaves_by_any_appointment_of_the_patient(named: Appointment) -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(visit, a_leave(named), NOON)

    assert decision.answer == NotInLine()
    assert left(decision) == [(DR_AMRANI.id, "left")]


def test_an_offer_passes_on_when_its_doctor_leaves_by_another_appointment() -> None:
    first, second = a_visit(waiting=[DR_AMRANI, DR_OKAFOR]).line()
    offered = first.model_copy(update={"offered_until": NOON + minutes(1)})

    decision = decide(a_visit(waiting=[offered, second]), a_leave(ANOTHER), NOON)

    assert left(decision) == [(DR_AMRANI.id, "left")]
    assert [one.place.doctor_id for one in decision.changes if isinstance(one, OfferPatient)] == [DR_OKAFOR.id]


def test_canceling_an_appointment_takes_out_the_doctor_who_waits_for_it_and_nobody_else() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(visit, canceled(WAITED_FOR), NOON)

    assert left(decision) == [(DR_AMRANI.id, "canceled")]


def test_canceling_another_appointment_leaves_its_doctor_in_the_line() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(visit, canceled(ANOTHER), NOON)

    assert decision.answer == StatusStands(appointment_id=ANOTHER.id, status=AppointmentStatus.canceled)
    assert left(decision) == []
