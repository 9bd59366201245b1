"""A patient comes without an appointment: a new one for now, checked in, in one decision."""

from datetime import datetime

from patient_visit_engine.visit.changes import AddWalkIn
from patient_visit_engine.visit.decisions import Refused, Verdict, WalkInAnswer
from patient_visit_engine.visit.patient_commands import OpenWalkIn
from patient_visit_engine.visit.refusals import NotYours, inactive_refusal
from patient_visit_engine.visit.state import VisitState


def open_walk_in(command: OpenWalkIn, state: VisitState, now: datetime) -> Verdict:
    """Add the appointment. A doctor adds it to the own list, or sends a patient of an own consultation on, which may be paused."""
    appointment, doctor_id = command.walk_in, command.sent_by
    is_sender = any(
        consultation.doctor_id == doctor_id for consultation in (*state.facts.in_progress, *state.facts.paused)
    )
    if doctor_id not in (None, appointment.doctor_id) and not is_sender:
        return Refused(refusal=NotYours()), ()
    if (refusal := inactive_refusal(appointment)) is not None:
        return Refused(refusal=refusal), ()
    return WalkInAnswer(appointment_id=appointment.id), (AddWalkIn(appointment=appointment),)
