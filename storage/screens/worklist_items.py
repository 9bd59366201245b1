"""One item of the worklist: the appointment, how late its patient is, and why it stands at its place in the list."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from patient_visit_engine.storage.doctor_calls import WAITING_STATUSES, OpenCall, call_elsewhere
from patient_visit_engine.storage.screens.doctor_list import list_item
from patient_visit_engine.storage.screens.worklist_filter import WorklistFilter
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, CLOSED_STATUSES, AppointmentStatus, Outcome
from patient_visit_engine.visit.list_order import Why
from patient_visit_engine.wire import worklist_bodies
from patient_visit_engine.wire.field_types import status_name
from patient_visit_engine.wire.patient_identity import PatientIdentity
from patient_visit_engine.wire.trackings import optional_moment

#: After these outcomes the appointment can be started again.
RESTARTABLE = (Outcome.released, Outcome.timed_out)


def late_minutes(row: Row[Any], latest: Row[Any] | None, worklist_filter: WorklistFilter) -> int | None:
    """From the scheduled time to the arrival, or to now while the patient is expected today. 0 for one who is in time."""
    if latest is not None and latest.outcome != Outcome.mistaken:
        arrived_at: datetime = latest.check_in_time
    elif worklist_filter.is_today and row.status in BEFORE_ARRIVAL:
        arrived_at = worklist_filter.now
    else:
        return None
    return max(0, int((arrived_at - row.scheduled_at).total_seconds() // 60))


def why_listed(
    row: Row[Any], latest: Row[Any] | None, arrivals: Mapping[int, datetime], worklist_filter: WorklistFilter
) -> Why | None:
    """Why the appointment stands where it stands in its doctor's list. None when it has begun or is over, and on another day."""
    if not worklist_filter.is_today or row.status not in WAITING_STATUSES:
        return None
    checked_in_at = None if latest is None or latest.outcome is not None else latest.check_in_time
    return list_item(row, checked_in_at, arrivals).why


def shown_calls(row: Row[Any], calls: Mapping[int, Sequence[OpenCall]]) -> worklist_bodies.ShownCalls:
    """The open calls of the patient that reserve nothing: for this appointment, and for another one."""
    of_patient = calls.get(row.person_id, ())
    own = next((call for call in of_patient if call.appointment_id == row.id), None)
    elsewhere = call_elsewhere(of_patient, row.id)
    return {
        "called_until": None if own is None else to_rfc3339(own.until),
        "called_elsewhere": None
        if elsewhere is None
        else {"doctor_id": elsewhere.doctor_id, "name": elsewhere.doctor, "until": to_rfc3339(elsewhere.until)},
    }


def worklist_item(
    row: Row[Any], latest: Row[Any] | None, patient: worklist_bodies.PatientNow, ticket: str | None
) -> worklist_bodies.AppointmentOnWorklist:
    """The item without what depends on the day and the caller. `latest` is the last tracking of the appointment."""
    identity = PatientIdentity.of(row._mapping)
    status = AppointmentStatus(row.status)
    outcome = None if latest is None else latest.outcome
    # A tracking that was cancelled, not seen, released or timed out does not describe the appointment's present state.
    tracking = latest if outcome in (None, Outcome.done) else None
    has_left = outcome == Outcome.left and status in BEFORE_ARRIVAL
    can_restart = outcome in RESTARTABLE and status not in CLOSED_STATUSES
    return {
        "appointment_id": row.id,
        "scheduled_at": to_rfc3339(row.scheduled_at),
        "status": status_name(status),
        "status_code": status,
        "patient_id": row.person_id,
        "patient_name": identity.name,
        **identity.next_to_name(),
        "doctor_id": row.doctor_id,
        "doctor_name": row.doctor,
        "room": row.room,
        "prestation_id": row.prestation_id,
        "prestation": row.prestation,
        "exclusive": row.exclusive,
        "priority": row.priority,
        "no_answers": row.no_answers,
        "checked_in_at": None if tracking is None else to_rfc3339(tracking.check_in_time),
        "consultation_id": None if tracking is None else tracking.consultation_id,
        "started_at": None if tracking is None else optional_moment(tracking.started_at),
        "completed_at": None if tracking is None else optional_moment(tracking.check_out_time),
        "left_at": optional_moment(latest.check_out_time) if latest is not None and has_left else None,
        "canceled_at": optional_moment(row.canceled_at) if status is AppointmentStatus.canceled else None,
        "overdue_at": None if tracking is None else optional_moment(tracking.overdue_at),
        "paused_at": None if tracking is None else optional_moment(tracking.paused_at),
        "expected_minutes": row.minutes,
        "paused_seconds": 0 if tracking is None else tracking.paused_seconds,
        "ended_as": outcome if can_restart else None,
        "ticket": ticket,
        "patient": patient,
    }
