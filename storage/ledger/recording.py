"""The ledger: it records one decision in one transaction, once.

A decision is valid only for the facts that it was based on. They may have changed: yesterday's consultation still runs, a worker
died after a commit, or the reception changed the appointment. Then the ledger writes nothing and returns the present facts. The
visit decides again. The lock on the patient makes the visits of two days record one after the other. The unique indexes protect the
rule even if the lock or the comparison has a mistake.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import (
    LOCK_PATIENT,
    NameCache,
    latest_tracking,
    read_appointment,
    read_facts,
    read_line,
    read_reservation,
    read_trackings,
    tracking_of_consultation,
)
from patient_visit_engine.storage.ledger.busy_doctor import read_other_consultations
from patient_visit_engine.storage.ledger.changes import apply
from patient_visit_engine.storage.ledger.request_rows import RequestRow, read_request, store_answer
from patient_visit_engine.storage.ledger.writer import OvertakenError, Writer
from patient_visit_engine.storage.tables import callers, timeline
from patient_visit_engine.visit.changes import (
    CarryOver,
    EndReservation,
    JoinLine,
    LeaveLine,
    MoveDown,
    NoteRefusal,
    NoteRescue,
    OfferPatient,
    WithdrawOffer,
)
from patient_visit_engine.visit.decisions import Answer, ConsultationEndedAnswer, Decision, Refused, TrackingAnswer
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply, UnrecordableError
from patient_visit_engine.visit.refusals import AppointmentClosed, RequestExpired
from patient_visit_engine.visit.state import Facts
from patient_visit_engine.wire.answers import render
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.events import events_of
from patient_visit_engine.wire.refusals import AnswerContext
from patient_visit_engine.wire.timeline import timeline_row
from patient_visit_engine.wire.trackings import TrackingRow

# If a unique index rejects the row of one of two visits, that visit tries again and is then overtaken.
RECORD_ATTEMPTS = 3
LINE_CHANGES = JoinLine | LeaveLine | OfferPatient | EndReservation | MoveDown | WithdrawOffer

INSERT_TIMELINE = insert(timeline)
ENGINE_CALLER = select(callers.c.id).where(callers.c.subject == "system")


class SqlLedger:
    """The ledger on SQL. The protocol `activities.ledger.Ledger` describes its guarantees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, patient_id: int) -> Facts:
        """The patient's facts now."""
        return await self._database.read(read_facts, patient_id, NameCache())

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        """Write the decision with its events and its answer, or return `overtaken`.

        Raises `UnrecordableError` when every attempt fails, because a constraint rejects a row or a row to change has changed, and
        when the decision is about an appointment of another patient.
        """
        # Without this, a start that was sent to the visit of another patient would be recorded for that patient, and the first one
        # would be in two consultations.
        if (
            entry.decision.changes
            and entry.appointment is not None
            and entry.appointment.patient_id != entry.patient_id
        ):
            raise UnrecordableError("another patient")
        for _ in range(RECORD_ATTEMPTS):
            try:
                return await self._database.write(_record, entry)
            except (OvertakenError, IntegrityError) as error:
                conflict = error
        raise UnrecordableError(type(conflict).__name__)


@dataclass(frozen=True)
class _StoredState:
    """The rows that were read under the patient's lock, before the decision is written."""

    person_id: int
    patient_name: str
    facts: Facts
    names: NameCache
    #: None when a timer decided.
    request_row: RequestRow | None


def _record(connection: Connection, entry: LedgerEntry) -> LedgerReply:
    stored = _lock_and_read(connection, entry)
    if (reply := _reply_without_writing(connection, entry, stored)) is not None:
        return reply
    _write_changes(connection, entry, stored)
    _store_answer(connection, entry, stored)
    facts = _facts_after(connection, entry, stored.names)
    context = _event_context(entry, stored)
    events = [event for change in entry.decision.changes for event in events_of(change, context)]
    # Last: the log's head stays locked until the commit.
    event_log.append(connection, events, entry.decision.at)
    return LedgerReply(facts=facts)


def _lock_and_read(connection: Connection, entry: LedgerEntry) -> _StoredState:
    names = NameCache()
    first_name, last_name, person_id = connection.execute(LOCK_PATIENT, {"patient_id": entry.patient_id}).one()
    facts = read_facts(connection, entry.patient_id, names)
    request_row = None if entry.request is None else read_request(connection, entry.request)
    return _StoredState(person_id, f"{first_name} {last_name}", facts, names, request_row)


def _reply_without_writing(connection: Connection, entry: LedgerEntry, stored: _StoredState) -> LedgerReply | None:
    """The reply when the request was decided before or has expired, or when the entry's facts or appointment have changed.

    None when the decision must be written.
    """
    row = stored.request_row
    if row is not None and row.is_settled:
        return LedgerReply(facts=stored.facts)
    if row is not None and row.has_expired:
        return _expire(connection, entry, stored)
    appointment, busy_with = None, None
    if entry.appointment is not None:
        # Before the appointment: see the lock order in `storage.facts`.
        if entry.busy_with is not None:
            doctor_id = entry.appointment.doctor_id
            busy_with = read_other_consultations(connection, doctor_id, stored.person_id, stored.names)
        appointment = read_appointment(connection, entry.appointment.id, stored.names, lock=True)
    if (stored.facts, appointment, busy_with) != (entry.seen, entry.appointment, entry.busy_with):
        return LedgerReply(facts=stored.facts, overtaken=True, appointment=appointment, busy_with=busy_with)
    return None


def _expire(connection: Connection, entry: LedgerEntry, stored: _StoredState) -> LedgerReply:
    """Leave the key open. An asynchronous request gets an answer, because its caller reads it later and sends nothing more."""
    if entry.request is None or not entry.request.asynchronous:
        return LedgerReply(facts=stored.facts, expired=True)
    refused = Decision(answer=Refused(refusal=RequestExpired()), at=entry.decision.at)
    _store_answer(connection, entry.model_copy(update={"decision": refused}), stored)
    return LedgerReply(facts=stored.facts)


def _event_context(entry: LedgerEntry, stored: _StoredState) -> EventContext:
    return EventContext(
        patient_id=entry.patient_id,
        patient_name=stored.patient_name,
        doctors=stored.names.doctors,
        prestations=stored.names.prestations,
        at=entry.decision.at,
        cause=_cause(entry),
        doctor_of={} if entry.appointment is None else {entry.appointment.id: entry.appointment.doctor_id},
    )


def _cause(entry: LedgerEntry) -> str:
    if entry.request is not None:
        return entry.request.id
    # With the time, this identifies the decision. A timer cannot decide the same thing twice at one moment, because recording the
    # decision changes the facts. The patient's id is part of the cause: at one moment two visits may decide, and one doctor may wait
    # in both.
    return f"{entry.patient_id}/{entry.day.isoformat()}"


def _write_changes(connection: Connection, entry: LedgerEntry, stored: _StoredState) -> None:
    caller_id: int = (
        entry.request.caller_id if entry.request is not None else connection.execute(ENGINE_CALLER).scalar_one()
    )
    writer = Writer(connection, entry, stored.person_id, caller_id)
    for change in entry.decision.changes:
        apply(change, writer)
    _write_timeline(connection, entry, None if stored.request_row is None else stored.request_row.reason)


def _write_timeline(connection: Connection, entry: LedgerEntry, reason: str | None) -> None:
    rows = [
        {
            "patient_id": entry.patient_id,
            "visit_day": row.day or entry.day,
            "at": entry.decision.at,
            "event": row.event,
            "doctor_id": row.doctor_id,
            "appointment_id": row.appointment_id,
            "consultation_id": row.consultation_id,
            "caller_id": None if entry.request is None else entry.request.caller_id,
            "particulars": json.dumps(row.particulars),
            "reason": reason,
        }
        for row in map(timeline_row, entry.decision.changes)
    ]
    if rows:
        connection.execute(INSERT_TIMELINE, rows)


def _store_answer(connection: Connection, entry: LedgerEntry, stored: _StoredState) -> None:
    """Render the answer and store it under the request's id. A decision of a timer has no answer."""
    answer = entry.decision.answer
    if stored.request_row is None or answer is None:
        return
    row = _row_of_answer(connection, answer, entry)
    event_context = _event_context(entry, stored)
    context = AnswerContext(event_context, stored.request_row.request.id, row, stored.names.patients)
    store_answer(connection, stored.request_row, render(answer, context), entry.decision.at)


def _row_of_answer(connection: Connection, answer: Answer, entry: LedgerEntry) -> TrackingRow | None:
    """The tracking that the answer is about, as it is after the changes."""
    if isinstance(answer, ConsultationEndedAnswer):
        return tracking_of_consultation(connection, answer.consultation_id)
    if isinstance(answer, TrackingAnswer):
        return latest_tracking(connection, answer.appointment_id)
    if isinstance(answer, Refused) and isinstance(answer.refusal, AppointmentClosed) and entry.appointment is not None:
        return latest_tracking(connection, entry.appointment.id)
    return None


def _facts_after(connection: Connection, entry: LedgerEntry, names: NameCache) -> Facts:
    """The facts after the changes. Only the tables that were written to are read again."""
    changes: Sequence[object] = entry.decision.changes
    has_line_changes = any(isinstance(change, LINE_CHANGES | CarryOver) for change in changes)
    has_tracking_changes = any(not isinstance(change, LINE_CHANGES | NoteRefusal | NoteRescue) for change in changes)
    in_progress, pending, waiting = entry.seen.in_progress, entry.seen.pending, entry.seen.waiting
    reservation = entry.seen.reservation
    if has_tracking_changes:
        in_progress, pending = read_trackings(connection, entry.patient_id, names)
    if has_line_changes:
        waiting = read_line(connection, entry.patient_id, names)
        reservation = read_reservation(connection, entry.patient_id, names)
    return Facts(in_progress=in_progress, pending=pending, waiting=waiting, reservation=reservation)
