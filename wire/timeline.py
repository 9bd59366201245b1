"""The timeline of a patient's day: one row for each change, with ids, numbers and codes only."""

from dataclasses import dataclass, field
from datetime import date
from functools import singledispatch
from typing import Any

from patient_visit_engine.visit import changes, consultation_changes, line_changes
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.facts import Consultation, WaitingDoctor
from patient_visit_engine.visit.refusals import AppointmentInProgress, PatientInConsultation


@dataclass(frozen=True)
class TimelineRow:
    """One row. `particulars` are the details of the change. They become further members of the entry that a screen reads."""

    event: str
    appointment_id: int | None = None
    doctor_id: int | None = None
    consultation_id: str | None = None
    #: The day of the entry, when it is not the day of the visit that decided.
    day: date | None = None
    particulars: dict[str, Any] = field(default_factory=dict)
    #: Other patients whose timelines get the row too.
    other_patients: tuple[int, ...] = ()

    @property
    def holder_id(self) -> str | None:
        """The consultation that caused a refusal. By it the ledger finds the row that also counts this refusal."""
        return self.particulars.get("holder_consultation_id")


@singledispatch
def timeline_row(change: changes.Change) -> TimelineRow:
    raise TypeError(f"no timeline row is defined for {type(change).__name__}")


def _about_consultation(event: str, consultation: Consultation, **particulars: Any) -> TimelineRow:
    ids = (consultation.appointment_id, consultation.doctor_id, consultation.id)
    return TimelineRow(event, *ids, particulars=particulars)


def _about_place(event: str, place: WaitingDoctor, **particulars: Any) -> TimelineRow:
    return TimelineRow(event, place.appointment_id, place.doctor_id, particulars=particulars)


@timeline_row.register
def _(change: consultation_changes.OpenConsultation) -> TimelineRow:
    consultation = change.consultation
    particulars = {"prestation_id": consultation.prestation_id, "exclusive": consultation.exclusive}
    return _about_consultation("started", consultation, **particulars)


@timeline_row.register
def _(change: consultation_changes.EndConsultation) -> TimelineRow:
    return _about_consultation("completed", change.consultation, outcome=change.outcome.value)


@timeline_row.register
def _(change: consultation_changes.ReopenConsultation) -> TimelineRow:
    overdue_at = to_rfc3339(change.consultation.overdue_at)
    return _about_consultation("reopened", change.consultation, overdue_at=overdue_at)


@timeline_row.register
def _(change: consultation_changes.PauseConsultation) -> TimelineRow:
    return _about_consultation("paused", change.consultation, until=to_rfc3339(change.consultation.abandon_at))


@timeline_row.register
def _(change: consultation_changes.ResumeConsultation) -> TimelineRow:
    overdue_at = to_rfc3339(change.consultation.overdue_at)
    return _about_consultation("resumed", change.consultation, overdue_at=overdue_at)


@timeline_row.register
def _(change: consultation_changes.TransferConsultation) -> TimelineRow:
    until = None if change.reservation is None else to_rfc3339(change.reservation.until)
    return _about_consultation("transferred", change.consultation, to_doctor_id=change.to_doctor_id, until=until)


@timeline_row.register
def _(change: changes.NoteCall) -> TimelineRow:
    appointment, until = change.appointment, to_rfc3339(change.until)
    return TimelineRow("called", appointment.id, appointment.doctor_id, particulars={"until": until})


@timeline_row.register
def _(change: changes.WriteNoAnswers) -> TimelineRow:
    appointment, particulars = change.appointment, {"no_answers": change.no_answers}
    event = "no_answer" if change.no_answers else "found"
    return TimelineRow(event, appointment.id, appointment.doctor_id, particulars=particulars)


@timeline_row.register
def _(change: line_changes.PostponeReservation) -> TimelineRow:
    reservation, until = change.reservation, to_rfc3339(change.reservation.until)
    return TimelineRow("grace", reservation.appointment_id, reservation.doctor_id, particulars={"until": until})


@timeline_row.register
def _(change: consultation_changes.PostponePauseLimit) -> TimelineRow:
    return _about_consultation("grace", change.consultation, until=to_rfc3339(change.consultation.abandon_at))


@timeline_row.register
def _(change: consultation_changes.PostponeConsultation) -> TimelineRow:
    overdue_at = to_rfc3339(change.consultation.overdue_at)
    return _about_consultation("extended", change.consultation, minutes=change.minutes, overdue_at=overdue_at)


@timeline_row.register
def _(change: consultation_changes.RemindHolder) -> TimelineRow:
    return _about_consultation("overdue", change.consultation, reminder=change.consultation.reminders)


@timeline_row.register
def _(_change: changes.CarryOver) -> TimelineRow:
    return TimelineRow("carried_over")


@timeline_row.register
def _(change: changes.OpenTracking) -> TimelineRow:
    particulars = {} if change.arrived_at is None else {"again": True}
    return TimelineRow("checked_in", change.appointment.id, change.appointment.doctor_id, particulars=particulars)


@timeline_row.register
def _(change: changes.AddWalkIn) -> TimelineRow:
    appointment = change.appointment
    return TimelineRow("checked_in", appointment.id, appointment.doctor_id, particulars={"walk_in": True})


@timeline_row.register
def _(change: consultation_changes.WaitAgain) -> TimelineRow:
    consultation = change.consultation
    return TimelineRow("checked_in", consultation.appointment_id, consultation.doctor_id, particulars={"again": True})


@timeline_row.register
def _(change: changes.CloseTracking) -> TimelineRow:
    particulars = {"outcome": change.outcome.value, **_cancel_reason(change)}
    return TimelineRow("left", change.appointment_id, day=change.day, particulars=particulars)


@timeline_row.register
def _(change: changes.PostponeNotSeen) -> TimelineRow:
    until = change.tracking.not_seen_at
    particulars = {"until": None if until is None else to_rfc3339(until)}
    return TimelineRow("grace", change.tracking.appointment_id, particulars=particulars)


@timeline_row.register
def _(change: changes.WriteAppointmentStatus) -> TimelineRow:
    particulars = {"status": change.status.name, **_cancel_reason(change)}
    return TimelineRow("status", change.appointment_id, particulars=particulars)


def _cancel_reason(change: changes.CloseTracking | changes.WriteAppointmentStatus) -> dict[str, str]:
    return {} if change.cancel_reason is None else {"cancel_reason": change.cancel_reason.value}


@timeline_row.register
def _(change: changes.WritePriority) -> TimelineRow:
    appointment = change.appointment
    particulars = {"priority": change.priority}
    return TimelineRow("priority", appointment.id, appointment.doctor_id, particulars=particulars)


@timeline_row.register
def _(change: changes.RewriteAppointment) -> TimelineRow:
    new = change.new_fields
    fields: dict[str, Any] = {name: getattr(new, name) for name in sorted(new.names)}
    if new.scheduled_at is not None:
        fields["scheduled_at"] = to_rfc3339(new.scheduled_at)
    if new.status is not None:
        fields["status"] = new.status.name
    appointment = change.appointment
    if change.decided_here:
        particulars = {"to_doctor_id": new.doctor_id}
        return TimelineRow("reassigned", appointment.id, appointment.doctor_id, particulars=particulars)
    return TimelineRow("changed", appointment.id, appointment.doctor_id, particulars={"fields": fields})


@timeline_row.register
def _(change: line_changes.JoinLine) -> TimelineRow:
    return _about_place("waiting", change.place)


@timeline_row.register
def _(change: line_changes.LeaveLine) -> TimelineRow:
    return _about_place("left_line", change.place, why=change.why)


@timeline_row.register
def _(change: line_changes.OfferPatient) -> TimelineRow:
    until = None if change.until is None else to_rfc3339(change.until)
    paused = {} if change.consultation_id is None else {"paused": True}
    return _about_place("offered", change.place, offer_until=until, **paused)


@timeline_row.register
def _(change: line_changes.EndReservation) -> TimelineRow:
    reservation = change.reservation
    particulars = {"why": change.why}
    return TimelineRow("reservation_ended", reservation.appointment_id, reservation.doctor_id, particulars=particulars)


@timeline_row.register
def _(change: line_changes.MoveDown) -> TimelineRow:
    return _about_place("moved_down", change.place, unused_offers=change.place.unused_offers)


@timeline_row.register
def _(change: line_changes.WithdrawOffer) -> TimelineRow:
    return _about_place("offer_withdrawn", change.place)


@timeline_row.register
def _(change: changes.RetireRecord) -> TimelineRow:
    particulars = {"retired": list(change.record_ids), "both_in_consultation": change.both_in_consultation}
    return TimelineRow("merged", particulars=particulars)


@timeline_row.register
def _(change: changes.RestoreRecord) -> TimelineRow:
    particulars = {"retired": list(change.record_ids)}
    return TimelineRow("separated", particulars=particulars, other_patients=(change.restored_id,))


@timeline_row.register
def _(change: changes.NoteRefusal) -> TimelineRow:
    appointment, refusal = change.appointment, change.refusal
    particulars: dict[str, Any] = {"code": refusal.code}
    if isinstance(refusal, PatientInConsultation | AppointmentInProgress):
        particulars |= {"active_doctor_id": refusal.holder.doctor_id, "holder_consultation_id": refusal.holder.id}
    return TimelineRow("refused", appointment.id, appointment.doctor_id, particulars=particulars)


@timeline_row.register
def _(change: changes.NoteRescue) -> TimelineRow:
    return TimelineRow("rescued", particulars={"code": change.reason.value})
