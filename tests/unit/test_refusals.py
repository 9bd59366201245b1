"""Every command that a visit refuses, with the code of the refusal."""

from typing import Any

import pytest

from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.changes import NoteRefusal
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import separated_person
from patient_visit_engine.visit.decisions import Refused
from patient_visit_engine.visit.policy import decide, decide_on_appointment
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    X_RAY,
    a_consultation,
    a_request,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_change, a_check_in, a_completion, a_start, a_status, a_wait, an_extension

CARDIOLOGY_WITH_SMITH = a_consultation(an_appointment(DR_SMITH), started_at=NOON - minutes(14))
CANCELED, DONE = AppointmentStatus.canceled, AppointmentStatus.done


def reassigned_in_progress() -> Any:
    """A visit in which the appointment is in progress with another doctor than the appointment now names."""
    appointment = an_appointment(DR_AMRANI)
    return a_visit(
        consultations=[a_consultation(appointment).model_copy(update={"doctor_id": DR_SMITH.id})]
    ), appointment


TAKEN, OF_AMRANI = reassigned_in_progress()
WITHOUT_DOCTOR = OF_AMRANI.model_copy(update={"doctor_active": False})
WITHOUT_PRESTATION = OF_AMRANI.model_copy(update={"prestation_active": False})
BUSY = a_visit(consultations=[CARDIOLOGY_WITH_SMITH])
RESERVED = a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, NOON + minutes(1)))
IN_PROGRESS = a_visit(consultations=[a_consultation(OF_AMRANI)])

REFUSALS = {
    "a busy patient": (BUSY, a_start(OF_AMRANI), "patient_in_consultation"),
    "a reserved patient": (RESERVED, a_start(OF_AMRANI), "patient_reserved"),
    "an appointment in progress with another doctor": (TAKEN, a_start(OF_AMRANI), "appointment_in_progress"),
    "a canceled appointment": (a_visit(), a_start(an_appointment(status=CANCELED)), "appointment_closed"),
    "a done appointment": (a_visit(), a_start(an_appointment(status=DONE)), "appointment_closed"),
    "an inactive doctor": (a_visit(), a_start(WITHOUT_DOCTOR), "doctor_inactive"),
    "an inactive prestation": (a_visit(), a_start(WITHOUT_PRESTATION), "prestation_inactive"),
    "an inactive doctor and a busy patient": (BUSY, a_start(WITHOUT_DOCTOR, wait=True), "doctor_inactive"),
    "another doctor's completion": (IN_PROGRESS, a_completion(a_consultation(OF_AMRANI), by=DR_SMITH), "not_yours"),
    "another doctor's extension": (IN_PROGRESS, an_extension(a_consultation(OF_AMRANI), 5, by=DR_SMITH), "not_yours"),
    "checking in while in progress": (IN_PROGRESS, a_check_in(OF_AMRANI), "appointment_in_progress"),
    "checking in for a done appointment": (a_visit(), a_check_in(an_appointment(status=DONE)), "appointment_closed"),
    "checking in for a canceled appointment": (
        a_visit(),
        a_check_in(an_appointment(status=CANCELED)),
        "appointment_closed",
    ),
    "checking out while in progress": (
        IN_PROGRESS,
        CheckOut(request=a_request("out"), appointment=OF_AMRANI),
        "appointment_in_progress",
    ),
    "checking out before check-in": (
        a_visit(),
        CheckOut(request=a_request("out"), appointment=OF_AMRANI),
        "not_checked_in",
    ),
    "waiting for a free patient": (a_visit(), a_wait(OF_AMRANI), "patient_free"),
    "waiting with an X-ray": (BUSY, a_wait(an_appointment(prestation=X_RAY)), "patient_free"),
    "waiting with an inactive prestation": (BUSY, a_wait(WITHOUT_PRESTATION), "prestation_inactive"),
    "waiting for an own consultation": (IN_PROGRESS, a_wait(OF_AMRANI), "appointment_in_progress"),
    "waiting with a done appointment": (BUSY, a_wait(an_appointment(status=DONE)), "appointment_closed"),
    "canceling while in progress": (IN_PROGRESS, a_status(OF_AMRANI, CANCELED), "appointment_in_progress"),
    "done by reception": (IN_PROGRESS, a_status(OF_AMRANI, DONE), "not_yours"),
    "done by another doctor": (IN_PROGRESS, a_status(OF_AMRANI, DONE, by=DR_SMITH.id), "not_yours"),
    "done before the start": (a_visit(), a_status(OF_AMRANI, DONE, by=DR_AMRANI.id), "not_in_consultation"),
    "canceling a done appointment": (a_visit(), a_status(an_appointment(status=DONE), CANCELED), "appointment_closed"),
    "checking in a canceled appointment by status": (
        a_visit(),
        a_status(an_appointment(status=CANCELED), AppointmentStatus.pending),
        "appointment_closed",
    ),
}


@pytest.mark.parametrize(("visit", "command", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal_opens_and_closes_nothing(visit: Any, command: Any, code: str) -> None:
    decision = decide(command, visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == code
    assert all(isinstance(change, NoteRefusal) for change in decision.changes)


def test_reassigned_appointment_is_a_mismatch() -> None:
    sent = an_appointment()
    reassigned = sent.model_copy(update={"doctor_id": sent.doctor_id + 1})
    command = a_start(sent)

    decision = decide_on_appointment(command, reassigned, a_visit(), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "appointment_mismatch"
    assert decision.changes == ()


@pytest.mark.parametrize(
    ("appointment", "person_id"),
    [
        (an_appointment(patient=MARIA_SILVA), MARIA_SILVA.id),
        (an_appointment(patient=MARIA_SILVA).of_person(125), 125),
        (an_appointment(patient=MARIA_SILVA).of_person(JOHN_DOE.id), None),
        (an_appointment().of_person(125), None),
        (None, None),
    ],
    ids=["separated", "merged into another", "unchanged", "of another record", "not read"],
)
def test_command_belongs_to_the_person_of_its_record(appointment: Any, person_id: int | None) -> None:
    while_merged = an_appointment(patient=MARIA_SILVA).of_person(JOHN_DOE.id)

    assert separated_person(a_start(while_merged), appointment) == person_id
    # The hospital's own system sends its change again as a whole.
    assert separated_person(a_change(while_merged, doctor_id=DR_SMITH.id), appointment) is None
