"""How an answer reads on the wire: status, body, and where the thing is; pure, it must not know SQL or a web framework."""

from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from typing import Any

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.visit.decisions import (
    ConsultationEndedWith,
    ConsultationStands,
    NotInLine,
    PlaceInLine,
    Refused,
    StatusStands,
    TrackingStands,
)
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    AppointmentMismatch,
    ConsultationEnded,
    NotYours,
    PatientInConsultation,
    PatientReserved,
    Refusal,
)
from patient_visit_engine.visit.state import Consultation
from patient_visit_engine.wire.events import EventContext

PLEASE_WAIT = "Patient is currently in another consultation. Please wait until the current consultation is complete."
STATUS_OF = {NotYours: 403, AppointmentMismatch: 422}


@dataclass(frozen=True)
class RenderedAnswer:
    """An answer as it is kept and sent, again and again the same."""

    status: int
    body: dict[str, Any] | None
    location: str | None = None


@dataclass(frozen=True)
class TrackingRow:
    """One row of `patient_trackings`: a patient waiting for a prestation, inside it, or through."""

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

    def to_rfc3339(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "patient_id": self.patient_id,
            "appointment_id": self.appointment_id,
            "consultation_id": self.consultation_id,
            "prestation_id": self.prestation_id,
            "doctor_id": self.doctor_id,
            "status": self.status.value,
            "outcome": None if self.outcome is None else self.outcome.value,
            "check_in_time": to_rfc3339(self.check_in_time),
            "check_out_time": _maybe(self.check_out_time),
            "created_by": self.created_by,
        }

    def consultation(self) -> dict[str, Any]:
        """The consultation that this row holds, running or ended."""
        return {
            "id": self.consultation_id,
            "patient_id": self.patient_id,
            "doctor_id": self.doctor_id,
            "appointment_id": self.appointment_id,
            "prestation_id": self.prestation_id,
            "status": self.status.value,
            "started_at": _maybe(self.started_at),
            "completed_at": _maybe(self.check_out_time),
            "outcome": None if self.outcome is None else self.outcome.value,
            "overdue_at": _maybe(self.overdue_at),
        }


@dataclass(frozen=True)
class AnswerContext:
    """What an answer's words need: the names, and the row that it speaks of, read in the same transaction."""

    telling: EventContext
    request_id: str
    row: TrackingRow | None = None


@singledispatch
def render(answer: Any, wording: AnswerContext) -> RenderedAnswer:
    """The answer as status and body."""
    raise TypeError(f"no words for {type(answer).__name__}")


@render.register
def _consultation(answer: ConsultationStands, wording: AnswerContext) -> RenderedAnswer:
    body = running(answer.consultation)
    return RenderedAnswer(201 if answer.created else 200, body, f"/api/consultations/{answer.consultation.id}")


@render.register
def _ended(answer: ConsultationEndedWith, wording: AnswerContext) -> RenderedAnswer:
    assert wording.row is not None
    if wording.row.outcome is answer.accepts:
        return RenderedAnswer(200, wording.row.consultation())
    return refusal_body(ConsultationEnded(), wording)


@render.register
def _tracking(answer: TrackingStands, wording: AnswerContext) -> RenderedAnswer:
    assert wording.row is not None
    return RenderedAnswer(201 if answer.created else 200, wording.row.to_rfc3339())


@render.register
def _status(answer: StatusStands, wording: AnswerContext) -> RenderedAnswer:
    body = {"appointment_id": answer.appointment_id, "status": answer.status.name, "status_code": answer.status.value}
    return RenderedAnswer(200, body)


@render.register
def _place(answer: PlaceInLine, wording: AnswerContext) -> RenderedAnswer:
    return RenderedAnswer(200, {"position": answer.position})


@render.register
def _not_in_line(answer: NotInLine, wording: AnswerContext) -> RenderedAnswer:
    return RenderedAnswer(204, None)


@render.register
def _refused(answer: Refused, wording: AnswerContext) -> RenderedAnswer:
    return refusal_body(answer.refusal, wording)


def running(consultation: Consultation) -> dict[str, Any]:
    """A consultation in progress on the wire."""
    return {
        "id": consultation.id,
        "patient_id": consultation.patient_id,
        "doctor_id": consultation.doctor_id,
        "appointment_id": consultation.appointment_id,
        "prestation_id": consultation.prestation_id,
        "status": TrackingStatus.in_progress.value,
        "started_at": to_rfc3339(consultation.started_at),
        "completed_at": None,
        "outcome": None,
        "overdue_at": to_rfc3339(consultation.overdue_at),
    }


def problem(status: int, code: str, title: str, detail: str | None = None, **more: Any) -> dict[str, Any]:
    """An RFC 9457 body with the stable `code` that clients go by."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail or title, "code": code, **more}


def refusal_body(refusal: Refusal, wording: AnswerContext) -> RenderedAnswer:
    """A refusal's body: the reason, whom it concerns, since and until when, and what can be done."""
    status = STATUS_OF.get(type(refusal), 409)
    title = type(refusal).__doc__ or ""
    detail, more = _particulars(refusal, wording)
    common = {"success": False, "in_consultation": False, "message": detail or title, "request_id": wording.request_id}
    return RenderedAnswer(status, problem(status, refusal.code, title, detail, **(common | more)))


def _particulars(refusal: Refusal, wording: AnswerContext) -> tuple[str | None, dict[str, Any]]:
    telling = wording.telling
    if isinstance(refusal, PatientInConsultation):
        more = _holder(refusal.holder, telling) | {
            "message": PLEASE_WAIT,
            "actions": ["wait"] if refusal.position is None else ["leave"],
            "position": refusal.position,
        }
        with_whom = f"{more['active_doctor']} for {more['prestation']}"
        until = "Please wait until the consultation is completed."
        return f"Patient {telling.patient} is currently in consultation with {with_whom}. {until}", more
    if isinstance(refusal, PatientReserved):
        doctor, until = telling.doctors[refusal.doctor_id], to_rfc3339(refusal.until)
        actions = ["wait"] if refusal.position is None else ["leave"]
        more = {"active_doctor": doctor, "active_doctor_id": refusal.doctor_id, "until": until}
        more |= {"reserved_for": doctor, "reserved_for_id": refusal.doctor_id}
        more |= {"actions": actions, "position": refusal.position}
        return f"Patient {telling.patient} is reserved for {doctor} until {until}.", more
    if isinstance(refusal, AppointmentInProgress):
        more = _holder(refusal.holder, telling) | {"until": to_rfc3339(refusal.holder.overdue_at)}
        return f"The appointment is in progress with {more['active_doctor']} for {more['prestation']}.", more
    if isinstance(refusal, AppointmentClosed):
        word = "done" if refusal.status is AppointmentStatus.done else "canceled"
        return f"The appointment is {word}.", {"appointment_status": word} | _who_closed(wording)
    if isinstance(refusal, ConsultationEnded) and wording.row is not None:
        ended = wording.row.consultation()
        return None, {
            "outcome": ended["outcome"],
            "completed_at": ended["completed_at"],
            "consultation_id": ended["id"],
        }
    return None, {}


def _who_closed(wording: AnswerContext) -> dict[str, Any]:
    row = wording.row
    if row is None:
        # Canceled before the patient came: nobody has had the appointment.
        return {"active_doctor": None, "active_doctor_id": None, "prestation": None, "completed_at": None}
    return {
        # The appointment may have passed to another doctor since, and then this one's name was not read.
        "active_doctor": wording.telling.doctors.get(row.doctor_id),
        "active_doctor_id": row.doctor_id,
        "prestation": wording.telling.prestations.get(row.prestation_id),
        "completed_at": _maybe(row.check_out_time),
    }


def _holder(holder: Consultation, telling: EventContext) -> dict[str, Any]:
    return {
        "in_consultation": True,
        "active_doctor": telling.doctors[holder.doctor_id],
        "active_doctor_id": holder.doctor_id,
        "prestation": telling.prestations[holder.prestation_id],
        "consultation_id": holder.id,
        "started_at": to_rfc3339(holder.started_at),
        "elapsed_seconds": max(0, int((telling.at - holder.started_at).total_seconds())),
    }


def _maybe(at: datetime | None) -> str | None:
    return None if at is None else to_rfc3339(at)
