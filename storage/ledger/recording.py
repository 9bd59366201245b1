"""The only writer of visit state: one decision, one transaction, once; it must not know who decides, or why.

A decision holds only while the facts that it was based on are still the patient's facts. When they are not (yesterday's
consultation still runs, a worker died after a commit, a desk changed the appointment) nothing is written and the facts come
back, for the visit to decide again. The unique indexes stand behind that: on PostgreSQL two visits of one patient can meet.
"""

import json

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.changes import OvertakenError, Writer, apply
from patient_visit_engine.storage.ledger.facts import (
    LOCK_PATIENT,
    NameCache,
    latest_tracking,
    read_appointment,
    read_facts,
    read_line,
    read_trackings,
    tracking_of_consultation,
)
from patient_visit_engine.storage.tables import callers, requests, timeline
from patient_visit_engine.visit.decisions import (
    Answer,
    ConsultationEndedWith,
    JoinLine,
    LeaveLine,
    NoteRefusal,
    OfferPatient,
    Refused,
    TrackingStands,
    WithdrawOffer,
)
from patient_visit_engine.visit.record import LedgerEntry, Recorded, UnrecordableError
from patient_visit_engine.visit.refusals import AppointmentClosed
from patient_visit_engine.visit.state import Facts
from patient_visit_engine.wire.answers import AnswerContext, RenderedAnswer, TrackingRow, render
from patient_visit_engine.wire.events import EventContext, events_of
from patient_visit_engine.wire.timeline import timeline_row

# Two visits of one patient that meet at an index: one of them wins, the other reads what won and is overtaken.
TRIES = 3
LINE_CHANGES = JoinLine | LeaveLine | OfferPatient | WithdrawOffer

FIND_REQUEST = select(requests.c.decided_at, requests.c.reason, requests.c.fingerprint).where(
    requests.c.request_id == bindparam("of")
)
INSERT_REQUEST = insert(requests)
DECIDE_REQUEST = update(requests).where(requests.c.request_id == bindparam("of")).where(requests.c.decided_at.is_(None))
INSERT_MOMENTS = insert(timeline)
ENGINE = select(callers.c.id).where(callers.c.subject == "system")


class Ledger:
    """What is open for each patient, in SQL; see `activities.ledger.Ledger` for what it promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, patient_id: int) -> Facts:
        """The patient's facts now."""
        return await self._database.read(read_facts, patient_id, NameCache())

    async def record(self, entry: LedgerEntry) -> Recorded:
        """Write the entry's decision, its events and its answer, or say that it was overtaken.

        Raises `UnrecordableError` when the database's rules refuse it however often it is tried.
        """
        for _ in range(TRIES):
            try:
                return await self._database.write(_record, entry)
            except (OvertakenError, IntegrityError) as lost:
                taken = lost
        raise UnrecordableError(type(taken).__name__)


def _record(connection: Connection, entry: LedgerEntry) -> Recorded:
    known = NameCache()
    asked = entry.request
    first, last = connection.execute(LOCK_PATIENT, {"patient_id": entry.patient_id}).one()
    facts = read_facts(connection, entry.patient_id, known)
    # Behind the lock: one request can reach two days' visits, and must be decided by the first.
    earlier = None if asked is None else connection.execute(FIND_REQUEST, {"of": asked.id}).one_or_none()
    if asked is not None and earlier is not None and (earlier.decided_at or earlier.fingerprint != asked.fingerprint):
        # With another fingerprint the key stands for something else, and whoever asked is told so by what is kept.
        return Recorded(facts=facts)
    appointment = (
        None if entry.appointment is None else read_appointment(connection, entry.appointment.id, known, lock=True)
    )
    if facts != entry.seen or appointment != entry.appointment:
        return Recorded(facts=facts, overtaken=True, appointment=appointment)
    caller_id = asked.caller_id if asked is not None else _engine(connection)
    hand = Writer(connection, entry, caller_id)
    for change in entry.decision.changes:
        apply(change, hand)
    telling = EventContext(
        patient_id=entry.patient_id,
        patient=f"{first} {last}",
        doctors=known.doctors,
        prestations=known.prestations,
        at=entry.decision.at,
        cause=_cause(entry),
        doctor_of={} if entry.appointment is None else {entry.appointment.id: entry.appointment.doctor_id},
    )
    _remember(connection, entry, None if earlier is None else earlier.reason)
    if asked is not None and entry.decision.answer is not None:
        row = _spoken_of(connection, entry.decision.answer, entry)
        written = render(entry.decision.answer, AnswerContext(telling, asked.id, row))
        _keep(connection, entry, written, is_open=earlier is not None)
    now = _facts_after(connection, entry, known)
    told = [event for change in entry.decision.changes for event in events_of(change, telling)]
    event_log.append(connection, told, entry.decision.at)
    return Recorded(facts=now)


def _facts_after(connection: Connection, entry: LedgerEntry, known: NameCache) -> Facts:
    """What is true now, of which only the part that was written to has to be read again."""
    in_progress, pending, waiting = entry.seen.in_progress, entry.seen.pending, entry.seen.waiting
    changes = entry.decision.changes
    if any(not isinstance(change, LINE_CHANGES | NoteRefusal) for change in changes):
        in_progress, pending = read_trackings(connection, entry.patient_id, known)
    if any(isinstance(change, LINE_CHANGES) for change in changes):
        waiting = read_line(connection, entry.patient_id, known)
    return Facts(in_progress=in_progress, pending=pending, waiting=waiting)


def _engine(connection: Connection) -> int:
    found: int = connection.execute(ENGINE).scalar_one()
    return found


def _cause(entry: LedgerEntry) -> str:
    if entry.request is not None:
        return entry.request.id
    # Time decides a thing at one moment once: had it been recorded, the facts would be others.
    # The patient belongs in it: at midnight many visits end in the same millisecond, and one doctor may wait in several.
    return f"{entry.patient_id}/{entry.day.isoformat()}/{entry.decision.at.isoformat()}"


def _spoken_of(connection: Connection, answer: Answer, entry: LedgerEntry) -> TrackingRow | None:
    if isinstance(answer, ConsultationEndedWith):
        return tracking_of_consultation(connection, answer.consultation_id)
    if isinstance(answer, TrackingStands):
        return latest_tracking(connection, answer.appointment_id)
    if isinstance(answer, Refused) and isinstance(answer.refusal, AppointmentClosed) and entry.appointment is not None:
        return latest_tracking(connection, entry.appointment.id)
    return None


def _remember(connection: Connection, entry: LedgerEntry, reason: str | None) -> None:
    rows = [
        {
            "patient_id": entry.patient_id,
            "visit_day": entry.day,
            "at": entry.decision.at,
            "event": moment.event,
            "doctor_id": moment.doctor_id,
            "appointment_id": moment.appointment_id,
            "consultation_id": moment.consultation_id,
            "caller_id": None if entry.request is None else entry.request.caller_id,
            "particulars": json.dumps(moment.particulars),
            "reason": reason,
        }
        for moment in map(timeline_row, entry.decision.changes)
    ]
    if rows:
        connection.execute(INSERT_MOMENTS, rows)


def _keep(connection: Connection, entry: LedgerEntry, written: RenderedAnswer, *, is_open: bool) -> None:
    asked = entry.request
    assert asked is not None
    body = None if written.body is None else json.dumps(written.body, ensure_ascii=False)
    answered = {
        "decided_at": entry.decision.at,
        "status": written.status,
        "body": body,
        "location": written.location,
    }
    if is_open:
        if connection.execute(DECIDE_REQUEST, {"of": asked.id} | answered).rowcount != 1:
            raise OvertakenError
        return
    identity = {"request_id": asked.id, "caller_id": asked.caller_id, "fingerprint": asked.fingerprint}
    connection.execute(INSERT_REQUEST, identity | {"created_at": entry.decision.at} | answered)
