"""Checks from the database alone that the rules were never broken. Writes nothing.

Overlaps are found by position in the event log, never by clock, because the clocks of two machines differ. Old events may
be pruned. For consultations that started before the oldest event, the audit uses the trackings, and does not require events.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, or_, select

from patient_visit_engine.storage.doctor_calls import read_kept_calls
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    events,
    log_head,
    patient_trackings,
    patients,
    reservations,
)
from patient_visit_engine.storage.tracking_conditions import HAS_CONSULTATION, IS_OPEN
from patient_visit_engine.storage.upkeep.audit_log import AuditedConsultation, AuditedEvent, AuditLogReader
from patient_visit_engine.storage.upkeep.audit_merges import (
    check_exclusive_consultations,
    check_persons,
    read_persons_before_log,
)
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, ReservationKind, TrackingStatus
from patient_visit_engine.wire.event_names import COMPLETED, PAUSED, REOPENED, RESUMED, STARTED

#: Rows in memory while a whole table is read.
FETCH_SIZE = 1_000
#: Violations that a report describes. Further ones are only counted.
MAX_DESCRIBED = 1_000
#: The largest expected difference between two machines' clocks. Used when the audit can decide only by time
#: whether an event was pruned.
CLOCK_TOLERANCE = timedelta(minutes=5)

TRACKING = patient_trackings.c
IN_PROGRESS = TRACKING.status == TrackingStatus.in_progress.value
#: The events that open, end or interrupt a consultation, by the column with the position of the first one.
POSITIONS = {
    "start_seq": STARTED,
    "end_seq": COMPLETED,
    "reopened_seq": REOPENED,
    "paused_seq": PAUSED,
    "resumed_seq": RESUMED,
}


@dataclass(frozen=True)
class Violation:
    """One violation: its kind, which is a stable code, and the ids of the affected rows."""

    kind: str
    about: str


@dataclass
class AuditReport:
    """The numbers of checked rows, and up to `MAX_DESCRIBED` violations. `kinds` counts all violations by kind.

    `merges` describes the merges of two records that were both in an exclusive consultation. They are no violations.
    """

    checked: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    merges: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.kinds

    def add_violation(self, kind: str, about: str) -> None:
        """Count the violation, and describe it while there are fewer than `MAX_DESCRIBED`."""
        self.kinds[kind] += 1
        if len(self.violations) < MAX_DESCRIBED:
            self.violations.append(Violation(kind, about))


def audit(connection: Connection) -> AuditReport:
    """Check all tables and the event log on one snapshot.

    Memory grows with the number of consultations in progress, not with the length of the log.
    """
    report = AuditReport()
    head: int = connection.scalar(select(log_head.c.seq)) or 0
    oldest = connection.execute(select(events.c.seq, events.c.at).order_by(events.c.seq).limit(1)).one_or_none()
    _count_rows(connection, report)
    report.checked["oldest kept position"] = oldest.seq if oldest else 0
    report.checked["head of the log"] = head
    running = _check_events_of_trackings(connection, report, oldest, head)
    persons = read_persons_before_log(connection)
    pruned_to = oldest.seq - 1 if oldest else head
    log_reader = AuditLogReader(running, report.add_violation, pruned_to, persons)
    log_reader.read(_read_log(connection), head)
    _check_uniqueness(connection, report)
    report.merges = check_exclusive_consultations(connection, report.add_violation)[:MAX_DESCRIBED]
    check_persons(connection, report.add_violation)
    _check_appointment_statuses(connection, report)
    _check_pauses(connection, report)
    _check_patients(connection, report)
    _check_tickets(connection, report)
    _check_calls(connection, report)
    return report


def _count_rows(connection: Connection, report: AuditReport) -> None:
    for name, table in (
        ("patients", patients),
        ("appointments", appointments),
        ("trackings", patient_trackings),
        ("events", events),
    ):
        report.checked[name] = connection.scalar(select(func.count()).select_from(table)) or 0
    consultations = select(func.count()).where(TRACKING.consultation_id.is_not(None))
    report.checked["consultations"] = connection.scalar(consultations) or 0
    report.checked["in progress"] = connection.scalar(select(func.count()).where(IN_PROGRESS)) or 0


def _fetch(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execute(query, execution_options={"yield_per": FETCH_SIZE})


def _read_log(connection: Connection) -> Iterator[AuditedEvent]:
    """Each event in order, with the tracking of its consultation."""
    reopened = (
        select(events.c.consultation_id, func.max(events.c.seq).label("seq"))
        .where(events.c.name == REOPENED)
        .group_by(events.c.consultation_id)
        .subquery()
    )
    columns = select(
        events.c.seq,
        events.c.name,
        events.c.data,
        events.c.patient_id,
        events.c.consultation_id,
        TRACKING.id.label("tracking_id"),
        TRACKING.patient_id.label("tracking_patient_id"),
        TRACKING.status.label("tracking_status"),
        TRACKING.outcome,
        or_(reopened.c.seq.is_(None), reopened.c.seq < events.c.seq).label("is_last_end"),
    )
    query = columns.outerjoin_from(
        events, patient_trackings, TRACKING.consultation_id == events.c.consultation_id
    ).outerjoin(reopened, reopened.c.consultation_id == events.c.consultation_id)
    return _fetch(connection, query.order_by(events.c.seq))


def _check_events_of_trackings(
    connection: Connection, report: AuditReport, oldest: Row[int, datetime] | None, head: int
) -> dict[str, AuditedConsultation]:
    """Find trackings without their events. Returns the consultations that were open at the oldest kept position, by id."""
    positions = _positions_of_consultations().subquery()
    query = (
        select(patient_trackings, *(positions.c[name] for name in POSITIONS))
        .outerjoin_from(patient_trackings, positions, positions.c.consultation_id == TRACKING.consultation_id)
        .where(TRACKING.consultation_id.is_not(None))
    )
    running = {}
    for row in _fetch(connection, query):
        about = f"consultation {row.consultation_id}, appointment {row.appointment_id}"
        if row.start_seq is None and _must_be_in_log(row.started_at, oldest, head):
            report.add_violation("state_without_event", f"{about}: no {STARTED}")
        elif row.start_seq is None and (status := _status_before_log(row)) is not None:
            is_paused = status is TrackingStatus.paused
            consultation = AuditedConsultation(row.patient_id, row.appointment_id, row.exclusive, 0, is_paused)
            running[row.consultation_id] = consultation
        if row.status != TrackingStatus.completed.value or row.end_seq is not None:
            continue
        # If the log still has the start, it must have the end too, regardless of clocks.
        if row.start_seq is not None or _must_be_in_log(row.check_out_time, oldest, head):
            report.add_violation("state_without_event", f"{about}: no {COMPLETED}")
    return running


def _positions_of_consultations() -> Select[Any]:
    """For each consultation: where the first event of each name is in the log."""
    labels = [func.min(case((events.c.name == name, events.c.seq))).label(label) for label, name in POSITIONS.items()]
    return select(events.c.consultation_id, *labels).group_by(events.c.consultation_id)


def _status_before_log(row: Row[Any]) -> TrackingStatus | None:
    """The status, at the oldest kept position, of a consultation without a start in the log. None: it was not open."""
    positions = {label: row._mapping[label] for label in POSITIONS if row._mapping[label] is not None}
    if not positions:
        status = TrackingStatus(row.status)
        return None if status is TrackingStatus.completed else status
    first = min(positions, key=lambda label: positions[label])
    if first == "reopened_seq":
        return None
    # One that ends can have been paused then. As a running one it could seem to overlap with others.
    was_paused = first == "resumed_seq" or (first == "end_seq" and row.paused_seconds > 0)
    return TrackingStatus.paused if was_paused else TrackingStatus.in_progress


def _must_be_in_log(at: datetime | None, oldest: Row[int, datetime] | None, head: int) -> bool:
    """Whether an event of this time cannot have been pruned. `oldest` is the oldest event in the log."""
    if oldest is None:
        return head == 0
    return oldest.seq == 1 or at is None or at > oldest.at + CLOCK_TOLERANCE


def _check_uniqueness(connection: Connection, report: AuditReport) -> None:
    """Count what the unique indexes should prevent, without relying on them."""
    for kind, column, condition in (
        ("two_in_progress_for_appointment", TRACKING.appointment_id, HAS_CONSULTATION),
        ("completed_twice", TRACKING.appointment_id, TRACKING.outcome == Outcome.done.value),
        ("checked_in_twice", TRACKING.appointment_id, TRACKING.status == TrackingStatus.pending.value),
    ):
        duplicates = (
            select(column, func.count().label("rows")).where(condition).group_by(column).having(func.count() > 1)
        )
        for number, rows in _fetch(connection, duplicates.order_by(column)):
            report.add_violation(kind, f"appointment {number}: {rows} trackings")
    ends = func.sum(case((events.c.name == COMPLETED, 1), else_=0))
    reopenings = func.sum(case((events.c.name == REOPENED, 1), else_=0))
    completed_twice = (
        select(events.c.consultation_id, ends)
        .where(events.c.name.in_((COMPLETED, REOPENED)), events.c.consultation_id.is_not(None))
        .group_by(events.c.consultation_id)
        .having(ends > reopenings + 1)
    )
    for consultation_id, rows in _fetch(connection, completed_twice):
        report.add_violation("completed_twice", f"consultation {consultation_id}: {rows} events {COMPLETED}")


def _check_pauses(connection: Connection, report: AuditReport) -> None:
    """Check that exactly the paused consultations have the time of their pause."""
    is_paused = TRACKING.status == TrackingStatus.paused.value
    differs = or_(and_(is_paused, TRACKING.paused_at.is_(None)), and_(~is_paused, TRACKING.paused_at.is_not(None)))
    for consultation_id, status in _fetch(
        connection, select(TRACKING.consultation_id, TRACKING.status).where(differs).order_by(TRACKING.id)
    ):
        report.add_violation("inconsistent_pause", f"consultation {consultation_id} is {status}")


def _check_patients(connection: Connection, report: AuditReport) -> None:
    """Check that each open tracking belongs to the person of its appointment."""
    of_other_patient = (
        select(TRACKING.id, TRACKING.person_id, appointments.c.id, patients.c.person_id)
        .join(appointments, appointments.c.id == TRACKING.appointment_id)
        .join(patients, patients.c.id == appointments.c.patient_id)
        .where(IS_OPEN, patients.c.person_id != TRACKING.person_id)
        .order_by(TRACKING.id)
    )
    for tracking, patient, appointment, owner in _fetch(connection, of_other_patient):
        about = f"tracking {tracking} is of patient {patient}, but appointment {appointment} is of patient {owner}"
        report.add_violation("other_patient", about)


def _check_tickets(connection: Connection, report: AuditReport) -> None:
    """Check that each ticket of a day belongs to one person."""
    ticket = (TRACKING.ticket_day, TRACKING.ticket)
    persons = func.count(TRACKING.person_id.distinct())
    shared = select(*ticket, persons).where(TRACKING.ticket_day.is_not(None)).group_by(*ticket).having(persons > 1)
    for day, text, count in _fetch(connection, shared.order_by(*ticket)):
        report.add_violation("shared_ticket", f"ticket {text} of {day} has {count} patients")


def _check_calls(connection: Connection, report: AuditReport) -> None:
    """Check that a doctor has called one patient at a time, and that one doctor at a time has called a patient."""
    called = appointments.alias()
    is_older = and_(
        reservations.c.kind == ReservationKind.called.value,
        reservations.c.appointment_id != doctors.c.called_appointment_id,
        reservations.c.until > called.c.called_at,
    )
    two_calls = (
        select(doctors.c.id, reservations.c.appointment_id, doctors.c.called_appointment_id)
        .join(reservations, reservations.c.doctor_id == doctors.c.id)
        .join(called, called.c.id == doctors.c.called_appointment_id)
        .where(is_older)
    )
    for doctor, first, second in _fetch(connection, two_calls.order_by(reservations.c.person_id)):
        about = f"doctor {doctor} called the patient of appointment {second} before the call of {first} was over"
        report.add_violation("two_calls_of_doctor", about)
    # A merge can bring two calls together, so each record is checked for itself.
    for calls in groupby(read_kept_calls(connection), lambda call: call.patient_id):
        for first, second in pairwise(calls[1]):
            if second.called_at < first.call_until:
                about = f"doctor {second.doctor_id} called patient {calls[0]} before the call of doctor {first.doctor_id} was over"
                report.add_violation("two_calls_of_patient", about)


def _check_appointment_statuses(connection: Connection, report: AuditReport) -> None:
    """Check that each appointment's status agrees with its trackings."""
    for status, condition in (
        (AppointmentStatus.in_progress, HAS_CONSULTATION),
        (AppointmentStatus.pending, TRACKING.status == TrackingStatus.pending.value),
        (AppointmentStatus.done, TRACKING.outcome == Outcome.done.value),
    ):
        _check_appointment_status(connection, report, status, condition)


def _check_appointment_status(
    connection: Connection, report: AuditReport, status: AppointmentStatus, condition: ColumnElement[bool]
) -> None:
    has_tracking = exists().where(TRACKING.appointment_id == appointments.c.id, condition)
    has_status = appointments.c.status == status.value
    inconsistent = select(appointments.c.id, appointments.c.status).where(
        or_(and_(has_status, ~has_tracking), and_(~has_status, has_tracking))
    )
    for number, stored in _fetch(connection, inconsistent.order_by(appointments.c.id)):
        name = AppointmentStatus(stored).name if stored in list(AppointmentStatus) else stored
        tracking = "no tracking is" if stored == status.value else "a tracking is"
        report.add_violation("inconsistent_status", f"appointment {number} is {name}, but {tracking} {status.name}")
