"""Turns a visit's answer into an HTTP response: status, body and location. The ledger stores it for repeated requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from typing import Any

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.decisions import (
    AppointmentAnswer,
    CalledAnswer,
    ConsultationAnswer,
    ConsultationEndedAnswer,
    MergeAnswer,
    NoAnswerAnswer,
    NotInLine,
    PlaceInLine,
    PriorityAnswer,
    Refused,
    SeparateAnswer,
    StatusAnswer,
    TrackingAnswer,
    TrackingsAnswer,
    WalkInAnswer,
)
from patient_visit_engine.visit.refusals import ConsultationChanged, ConsultationEnded, OfCompletion, Refusal
from patient_visit_engine.wire import answer_bodies, master_data_bodies
from patient_visit_engine.wire.field_types import status_name
from patient_visit_engine.wire.refusals import AnswerContext, busy_doctor, refusal_body, status_of
from patient_visit_engine.wire.trackings import TrackingRow, consultation_body, tracking_body


@dataclass(frozen=True)
class RenderedAnswer:
    """An answer as it is stored and sent. `body` is None for an answer without a body."""

    status: int
    body: Mapping[str, Any] | None
    location: str | None = None


@singledispatch
def render(answer: Any, context: AnswerContext) -> RenderedAnswer:
    """The answer with its status and body. Answers that are about a row need `context.row`."""
    raise TypeError(f"no body for {type(answer).__name__}")


@render.register
def _consultation(answer: ConsultationAnswer, context: AnswerContext) -> RenderedAnswer:
    location = f"/api/consultations/{answer.consultation.id}"
    body = consultation_body(answer.consultation)
    if answer.busy_with:
        body["warnings"] = [busy_doctor(consultation, context) for consultation in answer.busy_with]
    return RenderedAnswer(201 if answer.created else 200, body, location)


@render.register
def _consultation_ended(answer: ConsultationEndedAnswer, context: AnswerContext) -> RenderedAnswer:
    assert context.row is not None
    if context.row.outcome is answer.success_outcome:
        return RenderedAnswer(200, consultation_body(context.row))
    is_late = context.row.outcome is Outcome.transferred and _is_asked_before_change(context.row, context.asked_at)
    return _refusal(ConsultationChanged() if is_late else ConsultationEnded(), context)


def _is_asked_before_change(row: TrackingRow, asked_at: datetime | None) -> bool:
    return asked_at is not None and row.changed_at is not None and asked_at < row.changed_at


@render.register
def _tracking(answer: TrackingAnswer, context: AnswerContext) -> RenderedAnswer:
    assert context.row is not None
    return RenderedAnswer(201 if answer.created else 200, tracking_body(context.row))


@render.register
def _trackings(answer: TrackingsAnswer, context: AnswerContext) -> RenderedAnswer:
    body: answer_bodies.Trackings = {"items": [tracking_body(row) for row in context.rows]}
    if answer.opened_ids is not None:
        body["opened"] = list(answer.opened_ids)
    return RenderedAnswer(200, body)


@render.register
def _walk_in(answer: WalkInAnswer, context: AnswerContext) -> RenderedAnswer:
    assert context.row is not None
    body: answer_bodies.WalkIn = {
        "appointment_id": answer.appointment_id,
        "patient_id": context.row.patient_id,
        "ticket": context.row.ticket,
        "tracking": tracking_body(context.row),
    }
    return RenderedAnswer(201, body)


@render.register
def _status(answer: StatusAnswer, context: AnswerContext) -> RenderedAnswer:
    body: answer_bodies.AppointmentStatusNow = {
        "appointment_id": answer.appointment_id,
        "status": status_name(answer.status),
        "status_code": answer.status,
    }
    return RenderedAnswer(200, body)


@render.register
def _priority(answer: PriorityAnswer, context: AnswerContext) -> RenderedAnswer:
    body: answer_bodies.AppointmentPriorityNow = {"appointment_id": answer.appointment_id, "priority": answer.priority}
    return RenderedAnswer(200, body)


@render.register
def _appointment(answer: AppointmentAnswer, context: AnswerContext) -> RenderedAnswer:
    return RenderedAnswer(200, appointment_body(answer.appointment))


def appointment_body(appointment: Appointment) -> master_data_bodies.Appointment:
    """The appointment as the hospital's own system reads it."""
    # Only the messages of older programs have no time.
    assert appointment.scheduled_at is not None
    return {
        "id": appointment.id,
        "patient_id": appointment.patient_id,
        "doctor_id": appointment.doctor_id,
        "prestation_id": appointment.prestation_id,
        "scheduled_at": to_rfc3339(appointment.scheduled_at),
        "status": status_name(appointment.status),
    }


@render.register
def _called(answer: CalledAnswer, context: AnswerContext) -> RenderedAnswer:
    appointment, about = answer.appointment, context.event_context
    body: answer_bodies.CalledPatient = {
        "appointment_id": appointment.id,
        "patient_id": about.patient_id,
        "patient_name": about.patient_name,
        **about.patient.next_to_name(),
        "doctor_id": appointment.doctor_id,
        "doctor_name": about.doctors[appointment.doctor_id],
        "prestation_id": appointment.prestation_id,
        "prestation": about.prestations[appointment.prestation_id],
        "room": about.room,
        "ticket": about.ticket,
        "until": to_rfc3339(answer.until),
        "skipped": [{"appointment_id": each.appointment_id, "reason": each.reason} for each in answer.skipped],
    }
    return RenderedAnswer(200, body)


@render.register
def _no_answer(answer: NoAnswerAnswer, context: AnswerContext) -> RenderedAnswer:
    body: answer_bodies.UnansweredCalls = {"appointment_id": answer.appointment_id, "no_answers": answer.no_answers}
    return RenderedAnswer(200, body)


@render.register
def _place(answer: PlaceInLine, context: AnswerContext) -> RenderedAnswer:
    body: answer_bodies.Place = {"position": answer.position}
    return RenderedAnswer(200, body)


@render.register
def _not_in_line(answer: NotInLine, context: AnswerContext) -> RenderedAnswer:
    return RenderedAnswer(204, None)


@render.register
def _merged(answer: MergeAnswer, context: AnswerContext) -> RenderedAnswer:
    body: answer_bodies.Merge = {
        "patient_id": answer.patient_id,
        "retired": list(answer.retired),
        "both_in_consultation": answer.both_in_consultation,
    }
    return RenderedAnswer(200, body)


@render.register
def _separated(answer: SeparateAnswer, context: AnswerContext) -> RenderedAnswer:
    body: answer_bodies.Separation = {"patient_id": answer.patient_id, "retired": list(answer.retired)}
    return RenderedAnswer(200, body)


@render.register
def _refused(answer: Refused, context: AnswerContext) -> RenderedAnswer:
    row = context.row
    if isinstance(answer.refusal, OfCompletion) and row is not None and _is_asked_before_change(row, context.asked_at):
        return _refusal(ConsultationChanged(), context)
    return _refusal(answer.refusal, context)


def _refusal(refusal: Refusal, context: AnswerContext) -> RenderedAnswer:
    return RenderedAnswer(status_of(type(refusal)), refusal_body(refusal, context))
