"""What the hospital's own system may change of an appointment, and what the change means for the patient's visit.

`change_appointment` decides while something is open for the appointment. Otherwise `storage.master_data.appointments` writes, by
the same rules.
"""

from datetime import datetime

from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.appointment_commands import ChangeAppointment
from patient_visit_engine.visit.carry_over import reschedule
from patient_visit_engine.visit.changes import Change, CloseTracking, PostponeNotSeen, RewriteAppointment
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import AppointmentAnswer, Refused, Verdict
from patient_visit_engine.visit.facts import Consultation, PendingTracking
from patient_visit_engine.visit.refusals import AppointmentClosed, TrackingOpen
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import remove_place_for

#: What may change while the consultation is in progress. It keeps the expected end with which it began.
CHANGEABLE_IN_CONSULTATION = frozenset({"scheduled_at", "expected_minutes"})
#: A change of one of these moves the appointment.
_PLACE = frozenset({"doctor_id", "patient_id", "scheduled_at"})


def effective_fields(sent: AppointmentFields, present: Appointment, *, is_tracked: bool = False) -> AppointmentFields:
    """The fields that change. After the patient's arrival a visit sets the status, so only a cancellation counts.

    `is_tracked`: the patient is checked in or in consultation for the appointment.
    """
    fields = sent.differing_from(present.fields)
    if fields.prestation_id is not None:
        # Those of the appointment can be those of its former prestation.
        fields = fields.model_copy(update={"expected_minutes": sent.expected_minutes})
    has_arrived = is_tracked or present.status is AppointmentStatus.done
    if has_arrived and fields.status is not AppointmentStatus.canceled:
        return fields.without("status")
    return fields


def ends_call(fields: AppointmentFields) -> bool:
    """Whether a call that reserves nothing ends with this change. It must not go on when the appointment comes back.

    Another doctor can have called the patient by then.
    """
    return bool(fields.names & _PLACE) or fields.status is AppointmentStatus.canceled


def change_refusal(
    fields: AppointmentFields,
    status: AppointmentStatus,
    consultation: Consultation | None = None,
    tracking: PendingTracking | None = None,
) -> AppointmentClosed | TrackingOpen | None:
    """Why these fields of an appointment with this status cannot change. None if they can, or if there is none."""
    if not fields.names:
        return None
    if consultation is not None:
        return TrackingOpen(holder=consultation) if fields.names - CHANGEABLE_IN_CONSULTATION else None
    if status is AppointmentStatus.done:
        return AppointmentClosed(status=status)
    return TrackingOpen() if tracking is not None and fields.patient_id is not None else None


def change_appointment(command: ChangeAppointment, state: VisitState, now: datetime) -> Verdict:
    """Change all the fields, or none of them when one is refused.

    A doctor who waits for an appointment that is canceled, or moves to another day, doctor or patient, leaves the line.
    """
    appointment = command.appointment
    consultation, tracking = state.consultation_of(appointment.id), state.tracking_of(appointment.id)
    is_tracked = consultation is not None or tracking is not None
    fields = effective_fields(command.fields_sent, appointment, is_tracked=is_tracked)
    if (refusal := change_refusal(fields, appointment.status, consultation, tracking)) is not None:
        return Refused(refusal=refusal), ()
    changes = (
        *_rewrite(appointment, fields, tracking, state, now),
        *_leave_line(appointment, fields, state, now),
    )
    return AppointmentAnswer(appointment=appointment.changed(fields)), changes


def _rewrite(
    appointment: Appointment,
    fields: AppointmentFields,
    tracking: PendingTracking | None,
    state: VisitState,
    now: datetime,
) -> tuple[Change, ...]:
    canceled = AppointmentStatus.canceled
    closed: tuple[Change, ...] = ()
    if tracking is not None and fields.status is canceled:
        # The end of the check-in also writes the status.
        fields = fields.without("status")
        closed = (
            CloseTracking(appointment_id=appointment.id, outcome=Outcome.cancelled, status=canceled, sent_by_feed=True),
        )
    elif tracking is not None and tracking.not_seen_at is not None and fields.scheduled_at is not None:
        rescheduled = tracking.model_copy(update={"scheduled_at": fields.scheduled_at})
        closed = (PostponeNotSeen(tracking=reschedule(rescheduled, state, now)),)
    rewritten = (RewriteAppointment(appointment=appointment, new_fields=fields),) if fields.names else ()
    return *rewritten, *closed


def _leave_line(
    appointment: Appointment, fields: AppointmentFields, state: VisitState, now: datetime
) -> tuple[Change, ...]:
    if fields.status is AppointmentStatus.canceled:
        return remove_place_for(state, appointment.id, "canceled", now)
    if fields.doctor_id is not None or fields.patient_id is not None or _changes_day(appointment, fields, state):
        return remove_place_for(state, appointment.id, "moved", now)
    return ()


def _changes_day(appointment: Appointment, fields: AppointmentFields, state: VisitState) -> bool:
    before, after = appointment.scheduled_at, fields.scheduled_at
    return before is not None and after is not None and not state.is_same_day(before, after)
