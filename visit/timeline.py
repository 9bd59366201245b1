"""What each change adds to the story of a patient's day, in ids; pure, it must not know where the story is kept."""

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from visit.calendar import on_the_wire
from visit.decisions import (
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
from visit.refusals import AppointmentInProgress, PatientInConsultation
from visit.state import Consultation, WaitingDoctor


@dataclass(frozen=True)
class Moment:
    """One line of the story; `particulars` hold ids, numbers and codes."""

    event: str
    appointment_id: int | None = None
    doctor_id: int | None = None
    consultation_id: str | None = None
    particulars: dict[str, Any] = field(default_factory=dict)


@singledispatch
def moment_of(change: Change) -> Moment:
    """How the change reads in the story."""
    raise TypeError(f"no story of {type(change).__name__}")


def _during(event: str, consultation: Consultation, **particulars: Any) -> Moment:
    return Moment(event, consultation.appointment_id, consultation.doctor_id, consultation.id, particulars)


def _in_line(event: str, place: WaitingDoctor, **particulars: Any) -> Moment:
    return Moment(event, place.appointment_id, place.doctor_id, particulars=particulars)


@moment_of.register
def _(change: OpenConsultation) -> Moment:
    begun = change.consultation
    return _during("started", begun, prestation_id=begun.prestation_id, exclusive=begun.exclusive)


@moment_of.register
def _(change: EndConsultation) -> Moment:
    return _during("completed", change.consultation, outcome=change.outcome.value)


@moment_of.register
def _(change: PostponeConsultation) -> Moment:
    due = on_the_wire(change.consultation.overdue_at)
    return _during("extended", change.consultation, minutes=change.minutes, overdue_at=due)


@moment_of.register
def _(change: RemindHolder) -> Moment:
    return _during("overdue", change.consultation, reminder=change.consultation.reminders)


@moment_of.register
def _(change: AdoptConsultation) -> Moment:
    return _during("adopted", change.consultation)


@moment_of.register
def _(change: OpenTracking) -> Moment:
    return Moment("checked_in", change.appointment.id, change.appointment.doctor_id)


@moment_of.register
def _(change: CloseTracking) -> Moment:
    return Moment("left", change.appointment_id, particulars={"outcome": change.outcome.value})


@moment_of.register
def _(change: WriteAppointmentStatus) -> Moment:
    return Moment("status", change.appointment_id, particulars={"status": change.status.name})


@moment_of.register
def _(change: JoinLine) -> Moment:
    return _in_line("waiting", change.place)


@moment_of.register
def _(change: LeaveLine) -> Moment:
    return _in_line("left_line", change.place, why=change.why)


@moment_of.register
def _(change: OfferPatient) -> Moment:
    until = change.place.offered_until
    return _in_line("offered", change.place, offer_until=None if until is None else on_the_wire(until))


@moment_of.register
def _(change: WithdrawOffer) -> Moment:
    return _in_line("offer_withdrawn", change.place)


@moment_of.register
def _(change: NoteRefusal) -> Moment:
    mine, refusal = change.appointment, change.refusal
    particulars: dict[str, Any] = {"code": refusal.code}
    if isinstance(refusal, PatientInConsultation | AppointmentInProgress):
        particulars |= {"active_doctor_id": refusal.holder.doctor_id, "holder_consultation_id": refusal.holder.id}
    return Moment("refused", mine.id, mine.doctor_id, particulars=particulars)
