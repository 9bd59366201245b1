"""Renders the answer to a command, with the names that it needs, and stores it under the request's id."""

from sqlalchemy import Connection

from patient_visit_engine.storage.ledger.request_rows import write_answer
from patient_visit_engine.storage.ledger.stored_state import StoredState
from patient_visit_engine.storage.trackings import (
    last_changed_consultation,
    latest_tracking,
    tracking_of_consultation,
)
from patient_visit_engine.visit.decisions import (
    Answer,
    ConsultationEndedAnswer,
    Refused,
    TrackingAnswer,
    TrackingsAnswer,
    WalkInAnswer,
)
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.refusals import AppointmentClosed, OfCompletion
from patient_visit_engine.wire.answers import RenderedAnswer, render
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.refusals import AnswerContext
from patient_visit_engine.wire.trackings import TrackingRow


def event_context(entry: LedgerEntry, stored: StoredState) -> EventContext:
    """The names and the time for the answer and the events of this decision."""
    appointment, doctor_id, day = entry.appointment, entry.doctor_id, entry.day_appointments
    doctor_of = {} if day is None else {item.id: item.appointment.doctor_id for item in day.items}
    if entry.walk_in is not None:
        doctor_of[entry.walk_in.id] = entry.walk_in.doctor_id
    if appointment is not None and doctor_id is not None:
        # The doctor whose list has the appointment from now on.
        doctor_of[appointment.id] = doctor_id
    return EventContext(
        patient_id=entry.patient_id,
        patient=stored.patient,
        doctors=stored.names.doctors,
        prestations=stored.names.prestations,
        at=entry.decision.at,
        cause=_cause(entry),
        other_patients=stored.names.patients,
        caller_name=stored.caller_name,
        reason=None if stored.request_row is None else stored.request_row.reason,
        doctor_of=doctor_of,
        room=stored.room,
        ticket=None if stored.ticket is None else stored.ticket.text,
        ticket_is_new=stored.ticket is not None and stored.ticket.is_new,
    )


def _cause(entry: LedgerEntry) -> str:
    if entry.request is not None:
        return entry.request.id
    # With the time, this identifies the decision. A timer cannot decide the same thing twice at one moment, because recording the
    # decision changes the facts. The patient's id is part of the cause: at one moment two visits may decide, and one doctor may wait
    # in both.
    return f"{entry.patient_id}/{entry.day.isoformat()}"


def store_answer(connection: Connection, entry: LedgerEntry, stored: StoredState) -> RenderedAnswer | None:
    """Store the answer of the decision, and return it. A decision of a timer has no answer."""
    answer = entry.decision.answer
    if stored.request_row is None or answer is None:
        return None
    row = _row_of_answer(connection, answer, entry, stored)
    request = stored.request_row.request
    rows = _rows_of_answer(connection, answer, stored)
    names = event_context(entry, stored)
    context = AnswerContext(names, request.id, row, rows, stored.names.patients, request.asked_at)
    rendered = render(answer, context)
    write_answer(connection, stored.request_row, rendered, entry.decision.at)
    return rendered


def _row_of_answer(
    connection: Connection, answer: Answer, entry: LedgerEntry, stored: StoredState
) -> TrackingRow | None:
    """The tracking that the answer is about, as it is after the changes. Only one that ended before must be read."""
    if isinstance(answer, ConsultationEndedAnswer):
        open_row = stored.rows.tracking_of_consultation(answer.consultation_id)
        return open_row or tracking_of_consultation(connection, answer.consultation_id)
    if isinstance(answer, TrackingAnswer | WalkInAnswer):
        return stored.rows.latest_tracking(answer.appointment_id) or latest_tracking(connection, answer.appointment_id)
    if isinstance(answer, Refused) and isinstance(answer.refusal, AppointmentClosed) and entry.appointment is not None:
        return latest_tracking(connection, entry.appointment.id)
    if isinstance(answer, Refused) and isinstance(answer.refusal, OfCompletion) and entry.appointment is not None:
        doctor_id = answer.refusal.completed_by
        return None if doctor_id is None else last_changed_consultation(connection, entry.appointment.id, doctor_id)
    return None


def _rows_of_answer(connection: Connection, answer: Answer, stored: StoredState) -> list[TrackingRow]:
    """The trackings that the answer lists. Only those that ended before must be read."""
    if not isinstance(answer, TrackingsAnswer):
        return []
    numbers = answer.appointment_ids
    rows = [stored.rows.latest_tracking(number) or latest_tracking(connection, number) for number in numbers]
    return [row for row in rows if row is not None]
