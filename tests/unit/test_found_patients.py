"""Patients who were called: what happens when they have been found, and when their check-in ends."""

import pytest

from patient_visit_engine.visit.changes import WriteNoAnswers
from patient_visit_engine.visit.codes import AppointmentStatus, ReservationKind
from patient_visit_engine.visit.commands import PatientCommand
from patient_visit_engine.visit.consultation_changes import OpenConsultation
from patient_visit_engine.visit.day_appointments import DayAppointment
from patient_visit_engine.visit.facts import Reservation
from patient_visit_engine.visit.line_changes import EndReservation
from patient_visit_engine.visit.patient_commands import CheckInPatient
from patient_visit_engine.visit.policy import decide
from tests.support.builders import DR_AMRANI, NOON, a_visit, an_appointment, minutes
from tests.support.commands import a_check_in, a_day, a_past, a_start, a_status, of_patient

SILENT = an_appointment(DR_AMRANI, status=AppointmentStatus.pending).model_copy(update={"no_answers": 3})
FOUND = WriteNoAnswers(appointment=SILENT, no_answers=0)
CALLED = Reservation(
    kind=ReservationKind.called,
    doctor_id=DR_AMRANI.id,
    appointment_id=SILENT.id,
    day=a_visit().day,
    until=NOON + minutes(3),
    since=NOON,
)


@pytest.mark.parametrize("command", [a_check_in(SILENT), a_status(SILENT, AppointmentStatus.pending)])
def test_desk_finds_patient_who_did_not_answer(command: PatientCommand) -> None:
    assert decide(command, a_visit(checked_in=[SILENT]), NOON).changes == (FOUND,)


def test_arriving_patient_has_been_found() -> None:
    command = of_patient(CheckInPatient, a_day(DayAppointment(appointment=SILENT, past=a_past(SILENT))))

    assert decide(command, a_visit(checked_in=[SILENT]), NOON).changes == (FOUND,)


def test_started_patient_has_been_found() -> None:
    """After an undone start or a transfer the doctor can call the patient again."""
    changes = decide(a_start(SILENT), a_visit(checked_in=[SILENT]), NOON).changes

    assert changes[0] == FOUND
    assert isinstance(changes[1], OpenConsultation)


@pytest.mark.parametrize(
    "status", [AppointmentStatus.scheduled, AppointmentStatus.confirmed, AppointmentStatus.canceled]
)
def test_call_ends_with_the_check_in(status: AppointmentStatus) -> None:
    """A reservation that stayed would block the patient, and the doctor could call a second one."""
    changes = decide(a_status(SILENT, status), a_visit(checked_in=[SILENT], reservation=CALLED), NOON).changes

    assert EndReservation(reservation=CALLED, why="left") in changes
