"""The ledger: it records one decision in one transaction, once.

A decision is valid only for the facts that it was based on. They may have changed: yesterday's consultation still runs, a worker
died after a commit, or the reception changed the appointment. Then the ledger writes nothing and returns the present facts. The
visit decides again. The ledger also writes nothing for a retired record. The survivor's visit decides for it. The lock on the
patient makes the visits of two days record one after the other. The unique indexes protect the rule even if the lock or the
comparison has a mistake.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_facts
from patient_visit_engine.storage.ledger.answering import event_context, store_answer
from patient_visit_engine.storage.ledger.changes import apply
from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.receipts import Receipt, RecordedDecision
from patient_visit_engine.storage.ledger.refusal_counter import count_refusal
from patient_visit_engine.storage.ledger.request_rows import read_answer, summarize
from patient_visit_engine.storage.ledger.stored_state import StoredState, lock_and_read, read_identity
from patient_visit_engine.storage.ledger.ticketing import ticket_order
from patient_visit_engine.storage.ledger.writer import Writer
from patient_visit_engine.storage.prepared_statements import PreparedWrite
from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.storage.walk_ins import insert_new_patient, remove_new_patient
from patient_visit_engine.visit.decisions import Decision, Refused
from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply, UnrecordableError
from patient_visit_engine.visit.refusals import AppointmentMismatch, Refusal, RequestExpired
from patient_visit_engine.wire.events import events_of
from patient_visit_engine.wire.timeline import timeline_row

# If a unique index rejects the row of one of two visits, that visit tries again and is then overtaken.
RECORD_ATTEMPTS = 3

INSERT_TIMELINE = PreparedWrite(insert(timeline))


class SqlLedger:
    """The ledger on SQL. The protocol `activities.ledger.Ledger` describes its guarantees.

    `report` is called after the commit of each new decision.
    """

    def __init__(self, database: Database, report: Callable[[RecordedDecision], None] = lambda _: None) -> None:
        self._database = database
        self._report = report

    async def load(self, patient_id: int) -> Facts:
        """The patient's facts now."""
        return await self._database.read(read_facts, patient_id)

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        """Write the decision with its events and its answer, or return `overtaken`.

        Raises `UnrecordableError` when every attempt fails, because a constraint rejects a row or a row to change has changed, and
        when the decision is about an appointment of another patient.
        """
        # Without this, a start that was sent to the visit of another patient would be recorded for that patient, and the first one
        # would be in two consultations.
        about = entry.appointment or entry.walk_in
        if entry.decision.changes and about is not None and about.patient_id != entry.patient_id:
            raise UnrecordableError("another patient")
        for attempt in range(RECORD_ATTEMPTS):
            try:
                return await self._record_once(entry, attempt)
            except (OvertakenError, IntegrityError) as error:
                conflict = error
        raise UnrecordableError(type(conflict).__name__)

    async def _record_once(self, entry: LedgerEntry, attempt: int) -> LedgerReply:
        recording = asyncio.ensure_future(self._record_and_report(entry, attempt))
        if not self._database.is_sqlite:
            return await recording
        # Temporal cancels a call that takes too long. The thread that writes to SQLite commits all the same, and its decision must be
        # reported: the next call only finds the answer.
        recording.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(recording)

    async def _record_and_report(self, entry: LedgerEntry, attempt: int) -> LedgerReply:
        reply, receipt = await self._database.write(_record, entry)
        if receipt is not None:
            self._report(receipt.describe(entry, attempt))
        return reply


#: The reply to the visit, and a receipt when the transaction has stored a new decision.
_Recorded = tuple[LedgerReply, Receipt | None]


def _record(connection: Connection, entry: LedgerEntry) -> _Recorded:
    """Record the entry. The row of a new patient is locked like that of any other, and stays only if the walk-in is granted."""
    if entry.walk_in is None or entry.request is None:
        return _record_decision(connection, entry)
    is_new_patient = insert_new_patient(connection, entry.request.id, entry.patient_id)
    reply, receipt = _record_decision(connection, entry)
    if is_new_patient and reply.answer != "granted":
        remove_new_patient(connection, entry.patient_id)
    return reply, receipt


def _record_decision(connection: Connection, entry: LedgerEntry) -> _Recorded:
    stored = lock_and_read(connection, entry)
    if (recorded := _reply_without_writing(connection, entry, stored)) is not None:
        return recorded
    _write_changes(connection, entry, stored)
    if entry.retired is not None:
        # After a merge or a separation the patient may show another record number.
        stored = replace(stored, patient=read_identity(connection, entry.patient_id))
    answer = store_answer(connection, entry, stored)
    context = event_context(entry, stored)
    events = [event for change in entry.decision.changes for event in events_of(change, context)]
    # Last: the log's head stays locked until the commit.
    ticket = ticket_order(entry, stored.ticket)
    event_log.append(connection, events, entry.decision.at, ticket)
    # The rows in memory were changed together with the database, under the locks, so nothing is read again.
    return LedgerReply(facts=stored.rows.facts, **summarize(answer)), Receipt(stored, answer)


def _reply_without_writing(connection: Connection, entry: LedgerEntry, stored: StoredState) -> _Recorded | None:
    """The reply when the request was decided before or has expired, or when the entry's facts or appointment have changed.

    None when the decision must be written.
    """
    row = stored.request_row
    if row is not None and row.is_settled:
        return LedgerReply(facts=stored.facts, **read_answer(connection, row.request.id)), None
    if stored.facts.moved_to is not None:
        # Without this, the visit of a retired record would grant a start on its empty facts.
        return LedgerReply(facts=stored.facts, overtaken=True), None
    if stored.named_person_id not in (None, entry.patient_id):
        return LedgerReply(facts=stored.facts, overtaken=True, moved_to=stored.named_person_id), None
    if row is not None and row.has_expired:
        return _expire(connection, entry, stored)
    has_other_version = entry.version not in (None, stored.appointment_version)
    if stored.new_patient_is_retired or has_other_version:
        # The survivor is not locked, or `If-Match` and `as_of` were compared with another version. The caller does both again.
        return _refuse(connection, entry, stored, AppointmentMismatch())
    busy_with = None if entry.busy_with is None else stored.other_consultations
    premises = (stored.retired, stored.past, stored.day_appointments, stored.walk_in)
    present = (stored.facts, stored.appointment, busy_with, *premises)
    seen_premises = (entry.retired, entry.past, entry.day_appointments, entry.walk_in)
    seen = (entry.seen, entry.appointment, entry.busy_with, *seen_premises)
    if present != seen or not entry.keeps_call(stored.call):
        reply = LedgerReply(
            facts=stored.facts,
            overtaken=True,
            appointment=stored.appointment,
            busy_with=busy_with,
            retired=stored.retired,
            past=stored.past,
            day_appointments=stored.day_appointments,
            walk_in=stored.walk_in,
            call=stored.call,
        )
        return reply, None
    answer = entry.decision.answer
    if isinstance(answer, Refused) and not entry.keeps_refusal:
        # The caller tries another patient, so the key is open until one is called.
        return LedgerReply(facts=stored.facts, answer="refused", code=answer.refusal.code), None
    return None


def _expire(connection: Connection, entry: LedgerEntry, stored: StoredState) -> _Recorded:
    """Leave the key open. An asynchronous request gets an answer, because its caller reads it later and sends nothing more."""
    if entry.request is None or not entry.request.asynchronous:
        return LedgerReply(facts=stored.facts, expired=True), None
    return _refuse(connection, entry, stored, RequestExpired())


def _refuse(connection: Connection, entry: LedgerEntry, stored: StoredState, refusal: Refusal) -> _Recorded:
    """Store this refusal as the answer, and write nothing else."""
    refused = Decision(answer=Refused(refusal=refusal), at=entry.decision.at)
    answer = store_answer(connection, entry.model_copy(update={"decision": refused}), stored)
    return LedgerReply(facts=stored.facts, **summarize(answer)), Receipt(stored, answer)


def _write_changes(connection: Connection, entry: LedgerEntry, stored: StoredState) -> None:
    writer = Writer(connection, entry, stored)
    for change in entry.decision.changes:
        apply(change, writer)
    _write_timeline(connection, entry, stored)


def _write_timeline(connection: Connection, entry: LedgerEntry, stored: StoredState) -> None:
    reason = None if stored.request_row is None else stored.request_row.reason
    rows: list[dict[str, Any]] = [
        {
            "patient_id": patient_id,
            "visit_day": row.day or entry.day,
            "at": entry.decision.at,
            "event": row.event,
            "doctor_id": row.doctor_id,
            "appointment_id": row.appointment_id,
            "consultation_id": row.consultation_id,
            "caller_id": None if entry.request is None else entry.request.caller_id,
            "particulars": json.dumps(row.particulars),
            "reason": reason,
            "holder_id": row.holder_id,
        }
        for row in map(timeline_row, entry.decision.changes)
        for patient_id in (entry.patient_id, *row.other_patients)
    ]
    if new_rows := count_refusal(connection, stored.recent_refusal_id, rows):
        INSERT_TIMELINE.execute_each(connection, new_rows)
