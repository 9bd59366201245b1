"""One row of `patient_trackings`, and the bodies that show it: as a tracking, and as a consultation."""

from dataclasses import dataclass
from datetime import datetime

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import Outcome, TrackingStatus
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.wire import answer_bodies


@dataclass(frozen=True)
class TrackingRow:
    """One patient and one prestation: waiting, in consultation, or finished. Times are aware."""

    id: int
    patient_id: int
    appointment_id: int
    consultation_id: str | None
    prestation_id: int
    doctor_id: int
    status: TrackingStatus
    outcome: Outcome | None
    check_in_time: datetime
    check_out_time: datetime | None
    created_by: str
    started_at: datetime | None = None
    overdue_at: datetime | None = None
    #: The short number by which the patient is called.
    ticket: str | None = None
    #: When the consultation was started, reopened, resumed or transferred, by the database's clock.
    changed_at: datetime | None = None


def optional_moment(at: datetime | None) -> str | None:
    """The moment as RFC 3339 text, or None."""
    return None if at is None else to_rfc3339(at)


def tracking_body(row: TrackingRow) -> answer_bodies.Tracking:
    return {
        "id": row.id,
        "patient_id": row.patient_id,
        "appointment_id": row.appointment_id,
        "consultation_id": row.consultation_id,
        "prestation_id": row.prestation_id,
        "doctor_id": row.doctor_id,
        "status": row.status,
        "outcome": row.outcome,
        "check_in_time": to_rfc3339(row.check_in_time),
        "check_out_time": optional_moment(row.check_out_time),
        "created_by": row.created_by,
        "ticket": row.ticket,
    }


def consultation_body(source: Consultation | TrackingRow) -> answer_bodies.Consultation:
    """The consultation, in progress or paused, or the row that records it. Raises ValueError for a row without a consultation."""
    if isinstance(source, Consultation):
        status = TrackingStatus.in_progress if source.paused_at is None else TrackingStatus.paused
        consultation_id, outcome, completed_at = source.id, None, None
    elif source.consultation_id is None:
        raise ValueError(f"tracking {source.id} has no consultation")
    else:
        consultation_id, status = source.consultation_id, source.status
        outcome, completed_at = source.outcome, source.check_out_time
    return {
        "id": consultation_id,
        "patient_id": source.patient_id,
        "doctor_id": source.doctor_id,
        "appointment_id": source.appointment_id,
        "prestation_id": source.prestation_id,
        "status": status,
        "started_at": optional_moment(source.started_at),
        "completed_at": optional_moment(completed_at),
        "outcome": outcome,
        "overdue_at": optional_moment(source.overdue_at),
    }
