"""What each change adds to the story of a patient's day, in ids; pure, it must not know where the story is kept."""

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.decisions import (
    AdoptConsultation,
    Change,
    CloseTracking,
    EndConsultation,
    JoinLine,
    LeaveLine,
    NoteRefusal,
    OfferPatient,
    OpenConsultation,
    OpenTracking,
    PostponeConsultation,
    RemindHolder,
    WithdrawOffer,
    WriteAppointmentStatus,
)
from patient_visit_engine.visit.refusals import AppointmentInProgress, PatientInConsultation
from patient_visit_engine.visit.state import Consultation, WaitingDoctor


@dataclass(frozen=True)
class TimelineRow:
    """One line of the story; `particulars` hold ids, numbers and codes."""

    event: str
    appointment_id: int | None = None
    doctor_id: int | None = None
    consultation_id: str | None = None
    particulars: dict[str, Any] = field(default_factory=dict)


@singledispatch
def timeline_row(change: Change) -> TimelineRow:
    """How the change reads in the story."""
    raise TypeError(f"no story of {type(change).__name__}")


def _during(event: str, consultation: Consultation, **particulars: Any) -> TimelineRow:
    return TimelineRow(event, consultation.appointment_id, consultation.doctor_id, consultation.id, particulars)


def _in_line(event: str, place: WaitingDoctor, **particulars: Any) -> TimelineRow:
    return TimelineRow(event, place.appointment_id, place.doctor_id, particulars=particulars)


@timeline_row.register
def _(change: OpenConsultation) -> TimelineRow:
    begun = change.consultation
    return _during("started", begun, prestation_id=begun.prestation_id, exclusive=begun.exclusive)


@timeline_row.register
def _(change: EndConsultation) -> TimelineRow:
    return _during("completed", change.consultation, outcome=change.outcome.value)


@timeline_row.register
def _(change: PostponeConsultation) -> TimelineRow:
    due = to_rfc3339(change.consultation.overdue_at)
    return _during("extended", change.consultation, minutes=change.minutes, overdue_at=due)


@timeline_row.register
def _(change: RemindHolder) -> TimelineRow:
    return _during("overdue", change.consultation, reminder=change.consultation.reminders)


@timeline_row.register
def _(change: AdoptConsultation) -> TimelineRow:
    return _during("adopted", change.consultation)


@timeline_row.register
def _(change: OpenTracking) -> TimelineRow:
    return TimelineRow("checked_in", change.appointment.id, change.appointment.doctor_id)


@timeline_row.register
def _(change: CloseTracking) -> TimelineRow:
    return TimelineRow("left", change.appointment_id, particulars={"outcome": change.outcome.value})


@timeline_row.register
def _(change: WriteAppointmentStatus) -> TimelineRow:
    return TimelineRow("status", change.appointment_id, particulars={"status": change.status.name})


@timeline_row.register
def _(change: JoinLine) -> TimelineRow:
    return _in_line("waiting", change.place)


@timeline_row.register
def _(change: LeaveLine) -> TimelineRow:
    return _in_line("left_line", change.place, why=change.why)


@timeline_row.register
def _(change: OfferPatient) -> TimelineRow:
    until = change.place.offered_until
    return _in_line("offered", change.place, offer_until=None if until is None else to_rfc3339(until))


@timeline_row.register
def _(change: WithdrawOffer) -> TimelineRow:
    return _in_line("offer_withdrawn", change.place)


@timeline_row.register
def _(change: NoteRefusal) -> TimelineRow:
    mine, refusal = change.appointment, change.refusal
    particulars: dict[str, Any] = {"code": refusal.code}
    if isinstance(refusal, PatientInConsultation | AppointmentInProgress):
        particulars |= {"active_doctor_id": refusal.holder.doctor_id, "holder_consultation_id": refusal.holder.id}
    return TimelineRow("refused", mine.id, mine.doctor_id, particulars=particulars)
