"""Giving an appointment that has not begun to another doctor."""

from datetime import datetime

from patient_visit_engine.visit.appointment import AppointmentFields
from patient_visit_engine.visit.appointment_commands import Reassign
from patient_visit_engine.visit.changes import RewriteAppointment
from patient_visit_engine.visit.codes import CLOSED_STATUSES
from patient_visit_engine.visit.decisions import AppointmentAnswer, Refused, Verdict
from patient_visit_engine.visit.refusals import AppointmentClosed, DoctorInactive, Refusal, TrackingOpen
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import remove_place_for


def reassign(command: Reassign, state: VisitState, now: datetime) -> Verdict:
    """Give the appointment to the other doctor. A patient who is checked in keeps the arrival time.

    The doctor who waits for it leaves the line, and its reservation ends.
    """
    appointment, fields = command.appointment, AppointmentFields(doctor_id=command.doctor_id)
    answer = AppointmentAnswer(appointment=appointment.changed(fields))
    if appointment.doctor_id == command.doctor_id:
        return answer, ()
    if (refusal := _refusal(command, state)) is not None:
        return Refused(refusal=refusal), ()
    rewritten = RewriteAppointment(appointment=appointment, new_fields=fields, decided_here=True)
    return answer, (rewritten, *remove_place_for(state, appointment.id, "moved", now))


def _refusal(command: Reassign, state: VisitState) -> Refusal | None:
    appointment = command.appointment
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return TrackingOpen(holder=consultation)
    if appointment.status in CLOSED_STATUSES:
        return AppointmentClosed(status=appointment.status)
    return None if command.doctor_active else DoctorInactive()
