"""Proving from the database alone that the rule was kept; it must not know how the rows came to be, and it writes nothing.

What overlaps is told by position in the log, never by clock: the clocks of two machines differ, positions do not. Where the log
was pruned, what began before its oldest position is taken from the trackings, and its own events are not asked for.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from patient_visit_engine.storage.tables import appointments, events, log_head, patient_trackings, patients
from patient_visit_engine.storage.upkeep.audit_log import AuditedConsultation, AuditLogReader
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.wire.events import COMPLETED, STARTED

#: Rows held at once while a table is read through.
PAGE = 1_000
#: Violations kept word for word; beyond them only their number is told.
MOST_NAMED = 1_000
#: What the clocks of two machines may differ by, where only a clock can say whether an event was pruned.
CLOCKS_DIFFER = timedelta(minutes=5)

t = patient_trackings.c
RUNS = t.status == TrackingStatus.in_progress.value


@dataclass(frozen=True)
class Violation:
    """One thing that must never be: its kind, a stable code, and the ids that it is about."""

    kind: str
    about: str


@dataclass
class AuditReport:
    """What was looked at, and everything found wrong."""

    looked_at: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return not self.kinds

    def violated(self, kind: str, about: str) -> None:
        self.kinds[kind] += 1
        if len(self.violations) < MOST_NAMED:
            self.violations.append(Violation(kind, about))


def audit(connection: Connection) -> AuditReport:
    """Look at everything, on one snapshot; memory grows with the consultations in progress, not with the log."""
    report = AuditReport()
    head: int = connection.scalar(select(log_head.c.seq)) or 0
    oldest = connection.execute(select(events.c.seq, events.c.at).order_by(events.c.seq).limit(1)).one_or_none()
    _count(connection, report)
    report.looked_at["oldest kept position"] = oldest.seq if oldest else 0
    report.looked_at["head of the log"] = head
    running = _check_states(connection, report, oldest, head)
    AuditLogReader(running, report.violated, pruned_to=oldest.seq - 1 if oldest else head).read(_log(connection), head)
    _check_tables(connection, report)
    _check_statuses(connection, report)
    return report


def _count(connection: Connection, report: AuditReport) -> None:
    for name, table in (
        ("patients", patients),
        ("appointments", appointments),
        ("trackings", patient_trackings),
        ("events", events),
    ):
        report.looked_at[name] = connection.scalar(select(func.count()).select_from(table)) or 0
    consultations = select(func.count()).where(t.consultation_id.is_not(None))
    report.looked_at["consultations"] = connection.scalar(consultations) or 0
    report.looked_at["in progress"] = connection.scalar(select(func.count()).where(RUNS)) or 0


def _read_through(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execute(query, execution_options={"yield_per": PAGE})


def _log(connection: Connection) -> Iterator[Any]:
    told = select(
        events.c.seq,
        events.c.name,
        events.c.data,
        events.c.patient_id,
        events.c.consultation_id,
        t.id.label("tracking_id"),
        t.patient_id.label("of_patient"),
        t.status.label("tracking_status"),
        t.outcome,
    )
    joined = told.outerjoin_from(events, patient_trackings, t.consultation_id == events.c.consultation_id)
    return _read_through(connection, joined.order_by(events.c.seq))


def _check_states(
    connection: Connection, report: AuditReport, oldest: Any, head: int
) -> dict[str, AuditedConsultation]:
    """State without events; returns what was in progress already at the oldest kept position."""
    began, ended = events.alias("began"), events.alias("ended")
    query = (
        select(patient_trackings, began.c.seq.label("began"), ended.c.seq.label("ended"))
        .outerjoin_from(
            patient_trackings, began, and_(began.c.consultation_id == t.consultation_id, began.c.name == STARTED)
        )
        .outerjoin(ended, and_(ended.c.consultation_id == t.consultation_id, ended.c.name == COMPLETED))
        .where(t.consultation_id.is_not(None))
    )
    running = {}
    for row in _read_through(connection, query):
        about = f"consultation {row.consultation_id}, appointment {row.appointment_id}"
        if row.began is None and _must_be_kept(row.started_at, oldest, head):
            report.violated("state_without_event", f"{about}: no {STARTED}")
        elif row.began is None and (row.ended is not None or row.status == TrackingStatus.in_progress.value):
            running[row.consultation_id] = AuditedConsultation(row.patient_id, row.appointment_id, row.exclusive, 0)
        if row.status != TrackingStatus.completed.value or row.ended is not None:
            continue
        # Its own start is kept, so what came after it must be, whatever the clocks say.
        if row.began is not None or _must_be_kept(row.check_out_time, oldest, head):
            report.violated("state_without_event", f"{about}: no {COMPLETED}")
    return running


def _must_be_kept(at: datetime | None, oldest: Any, head: int) -> bool:
    if oldest is None:
        return head == 0
    return oldest.seq == 1 or at is None or at > oldest.at + CLOCKS_DIFFER


def _check_tables(connection: Connection, report: AuditReport) -> None:
    """What the unique indexes keep from happening, counted without trusting them."""
    for kind, what, column, where in (
        ("overlapping_consultations", "patient", t.patient_id, and_(RUNS, t.exclusive)),
        ("two_in_progress_for_appointment", "appointment", t.appointment_id, RUNS),
        ("completed_twice", "appointment", t.appointment_id, t.outcome == Outcome.done.value),
        ("checked_in_twice", "appointment", t.appointment_id, t.status == TrackingStatus.pending.value),
    ):
        many = select(column, func.count().label("rows")).where(where).group_by(column).having(func.count() > 1)
        for number, rows in _read_through(connection, many.order_by(column)):
            report.violated(kind, f"{what} {number}: {rows} trackings")
    ended_twice = (
        select(events.c.consultation_id, func.count())
        .where(events.c.name == COMPLETED, events.c.consultation_id.is_not(None))
        .group_by(events.c.consultation_id)
        .having(func.count() > 1)
    )
    for consultation, rows in _read_through(connection, ended_twice):
        report.violated("completed_twice", f"consultation {consultation}: {rows} events {COMPLETED}")


def _check_statuses(connection: Connection, report: AuditReport) -> None:
    """An appointment's status and its trackings say the same."""
    for status, has in (
        (AppointmentStatus.in_progress, RUNS),
        (AppointmentStatus.pending, t.status == TrackingStatus.pending.value),
        (AppointmentStatus.done, t.outcome == Outcome.done.value),
    ):
        _check_status(connection, report, status, has)


def _check_status(
    connection: Connection, report: AuditReport, status: AppointmentStatus, has: ColumnElement[bool]
) -> None:
    tracked = exists().where(t.appointment_id == appointments.c.id, has)
    is_so = appointments.c.status == status.value
    odd = select(appointments.c.id, appointments.c.status).where(or_(and_(is_so, ~tracked), and_(~is_so, tracked)))
    for number, found in _read_through(connection, odd.order_by(appointments.c.id)):
        says = AppointmentStatus(found).name if found in list(AppointmentStatus) else found
        but = "no tracking is" if found == status.value else "a tracking is"
        report.violated("inconsistent_status", f"appointment {number} is {says}, {but} {status.name}")
