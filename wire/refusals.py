"""Builds the problem body of a refusal: title, status, the holder, and the possible actions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.facts import Consultation, OtherConsultation
from patient_visit_engine.visit.refusals import (
    AlreadyMerged,
    AppointmentClosed,
    AppointmentInProgress,
    AppointmentMismatch,
    AppointmentNotToday,
    ConsultationChanged,
    ConsultationEnded,
    ConsultationPaused,
    DoctorHasCall,
    DoctorInactive,
    DoctorInConsultation,
    MergeCycle,
    MergeInUse,
    MergeNotToday,
    NotCalled,
    NotCheckedIn,
    NotCheckedOut,
    NothingOpen,
    NotInConsultation,
    NotYours,
    PatientFree,
    PatientInConsultation,
    PatientReserved,
    PrestationInactive,
    Refusal,
    RequestExpired,
    TooLate,
    TrackingOpen,
    UnknownMerge,
)
from patient_visit_engine.wire import answer_bodies, problems
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.patient_identity import PatientIdentity
from patient_visit_engine.wire.trackings import TrackingRow, optional_moment

PLEASE_WAIT = "Patient is currently in another consultation. Please wait until the current consultation is complete."

TITLES: dict[type[Refusal], str] = {
    PatientInConsultation: "Patient is in another consultation",
    PatientReserved: "Patient is reserved for another doctor",
    PatientFree: "Patient is free: there is nothing to wait for",
    AppointmentInProgress: "Appointment is in progress",
    AppointmentClosed: "Appointment is closed",
    TrackingOpen: "Patient is checked in or in consultation for this appointment",
    DoctorInConsultation: "Doctor is in another consultation",
    AppointmentNotToday: "Appointment is for another day",
    DoctorInactive: "Doctor is inactive",
    PrestationInactive: "Prestation is inactive",
    AppointmentMismatch: "Appointment belongs to another patient or doctor",
    ConsultationChanged: "Consultation was started, reopened, resumed or transferred after this was asked",
    ConsultationPaused: "Consultation is paused: resume it first",
    ConsultationEnded: "Consultation has already ended",
    NotYours: "This belongs to another doctor",
    NotCheckedIn: "Patient is not checked in for this appointment",
    NotCheckedOut: "Patient is not checked out of this appointment",
    NothingOpen: "Nothing is open for this patient today",
    DoctorHasCall: "Doctor waits for another patient who was called",
    NotCalled: "Patient is not the one who was called last",
    TooLate: "The time to take this back is over",
    NotInConsultation: "Appointment has no consultation in progress",
    MergeCycle: "The other record is the survivor of this patient's record",
    AlreadyMerged: "Patient was merged into a third patient",
    UnknownMerge: "There is no such merge",
    MergeNotToday: "The merge is of an earlier day",
    MergeInUse: "Something is open for the patient",
    RequestExpired: "The request came too late and was not carried out",
}
#: Every other refusal is a 409.
STATUSES: dict[type[Refusal], int] = {NotYours: 403, AppointmentMismatch: 422, UnknownMerge: 404}

Details = tuple[str | None, problems.RefusalMembers]


@dataclass(frozen=True)
class AnswerContext:
    """The data that an answer needs: names, and the tracking that it is about. It was read in the same transaction."""

    event_context: EventContext
    request_id: str
    row: TrackingRow | None = None
    #: The trackings, of an answer about several.
    rows: Sequence[TrackingRow] = ()
    #: Patients other than the visit's, by id.
    patients: Mapping[int, PatientIdentity] = field(default_factory=dict)
    #: When the request was asked, by the database's clock. None for requests of earlier versions.
    asked_at: datetime | None = None


def status_of(refusal: type[Refusal]) -> int:
    """The HTTP status of this kind of refusal."""
    return STATUSES.get(refusal, 409)


def refusal_body(refusal: Refusal, context: AnswerContext) -> problems.Refusal:
    kind = type(refusal)
    describe = DETAILS.get(kind)
    detail, members = (None, problems.RefusalMembers()) if describe is None else describe(refusal, context)
    title = TITLES[kind]
    always: problems.RefusalMembers = {
        "success": False,
        "in_consultation": False,
        "message": detail or title,
        "request_id": context.request_id,
    }
    body = problems.problem_body(status_of(kind), refusal.code, title, detail, **(always | members))
    return cast(problems.Refusal, body)


def _patient_in_consultation(refusal: PatientInConsultation, context: AnswerContext) -> Details:
    holder = _holder(refusal.holder, context.event_context)
    patient = context.event_context.patient_name
    if refusal.is_own:
        detail = f"You are still in consultation with {patient} for {holder['prestation']}. Complete it first."
        own: problems.RefusalMembers = {"actions": ["complete"], "position": None}
        return detail, holder | _next_to_name(context) | own
    members: problems.RefusalMembers = (
        holder
        | _next_to_name(context)
        | {
            "message": PLEASE_WAIT,
            "actions": _actions(refusal),
            "position": refusal.position,
        }
    )
    doctor_and_prestation = f"{holder['active_doctor']} for {holder['prestation']}"
    detail = (
        f"Patient {patient} is currently in consultation with {doctor_and_prestation}. "
        "Please wait until the consultation is completed."
    )
    return detail, members


def _patient_reserved(refusal: PatientReserved, context: AnswerContext) -> Details:
    doctor, until = context.event_context.doctors[refusal.doctor_id], to_rfc3339(refusal.until)
    detail = f"Patient {context.event_context.patient_name} is reserved for {doctor} until {until}."
    return detail, _next_to_name(context) | {
        "active_doctor": doctor,
        "active_doctor_id": refusal.doctor_id,
        "until": until,
        "reserved_for": doctor,
        "reserved_for_id": refusal.doctor_id,
        "actions": _actions(refusal),
        "position": refusal.position,
    }


def _appointment_in_progress(refusal: AppointmentInProgress, context: AnswerContext) -> Details:
    holder = _holder(refusal.holder, context.event_context)
    detail = f"The appointment is in progress with {holder['active_doctor']} for {holder['prestation']}."
    return detail, holder | {"until": to_rfc3339(refusal.holder.overdue_at)}


def _appointment_closed(refusal: AppointmentClosed, context: AnswerContext) -> Details:
    status: Literal["done", "canceled"] = "done" if refusal.status is AppointmentStatus.done else "canceled"
    row = context.row
    members: problems.RefusalMembers = {
        "appointment_status": status,
        # Without a row the appointment was canceled before the patient came: no doctor started it.
        "active_doctor": None,
        "active_doctor_id": None,
        "prestation": None,
        "completed_at": None,
    }
    if row is not None:
        members |= {
            # The appointment may have been given to another doctor. Then this doctor's name was not read, and is None.
            "active_doctor": context.event_context.doctors.get(row.doctor_id),
            "active_doctor_id": row.doctor_id,
            "prestation": context.event_context.prestations.get(row.prestation_id),
            "completed_at": optional_moment(row.check_out_time),
        }
    return f"The appointment is {status}.", members


def _tracking_open(refusal: TrackingOpen, context: AnswerContext) -> Details:
    if refusal.holder is None:
        return "The patient is checked in for the appointment. Check the patient out first.", {}
    holder = _holder(refusal.holder, context.event_context)
    detail = (
        f"The appointment is in progress with {holder['active_doctor']}. Send the change again after the consultation."
    )
    return detail, holder


def _doctor_in_consultation(refusal: DoctorInConsultation, context: AnswerContext) -> Details:
    warning = busy_doctor(refusal.busy_with[0], context)
    detail = f"You are still in consultation with {warning['patient_name']}. Complete it first."
    return detail, {
        "consultation_id": warning["consultation_id"],
        "patient_name": warning["patient_name"],
        "family_name": warning["family_name"],
        "birth_date": warning["birth_date"],
        "record_number": warning["record_number"],
        "since": warning["since"],
        "actions": ["complete"],
    }


def busy_doctor(consultation: OtherConsultation, context: AnswerContext) -> answer_bodies.StartWarning:
    """The warning that the doctor is in this consultation with another patient."""
    patient = context.patients[consultation.patient_id]
    return {
        "code": "doctor_in_consultation",
        "consultation_id": consultation.consultation_id,
        "patient_name": patient.name,
        **patient.next_to_name(),
        "since": to_rfc3339(consultation.started_at),
    }


def _appointment_not_today(refusal: AppointmentNotToday, context: AnswerContext) -> Details:
    scheduled_at = to_rfc3339(refusal.scheduled_at)
    detail = f"The appointment is scheduled at {scheduled_at}, not today. Check the patient in for it first."
    return detail, {"scheduled_at": scheduled_at, "actions": ["check_in"]}


def _already_merged(refusal: AlreadyMerged, _context: AnswerContext) -> Details:
    return None, {"survivor_id": refusal.survivor_id}


def _consultation_ended(_refusal: ConsultationEnded, context: AnswerContext) -> Details:
    row = context.row
    if row is None:
        return None, {}
    return None, {
        "outcome": row.outcome,
        "completed_at": optional_moment(row.check_out_time),
        "consultation_id": row.consultation_id,
    }


DETAILS: dict[type[Refusal], Callable[[Any, AnswerContext], Details]] = {
    PatientInConsultation: _patient_in_consultation,
    PatientReserved: _patient_reserved,
    AppointmentInProgress: _appointment_in_progress,
    AppointmentClosed: _appointment_closed,
    AppointmentNotToday: _appointment_not_today,
    TrackingOpen: _tracking_open,
    DoctorInConsultation: _doctor_in_consultation,
    ConsultationEnded: _consultation_ended,
    AlreadyMerged: _already_merged,
}


def _next_to_name(context: AnswerContext) -> problems.RefusalMembers:
    """What stands next to the patient's name, which is part of the detail."""
    patient = context.event_context.patient
    return {
        "family_name": patient.family_name,
        "birth_date": patient.birth_date,
        "record_number": patient.record_number,
    }


def _actions(refusal: PatientInConsultation | PatientReserved) -> list[problems.PossibleAction]:
    if refusal.has_paused or (isinstance(refusal, PatientInConsultation) and not refusal.can_wait):
        return []
    return ["wait"] if refusal.position is None else ["leave"]


def _holder(holder: Consultation, context: EventContext) -> problems.RefusalMembers:
    return {
        "in_consultation": True,
        "active_doctor": context.doctors[holder.doctor_id],
        "active_doctor_id": holder.doctor_id,
        "prestation": context.prestations[holder.prestation_id],
        "consultation_id": holder.id,
        "started_at": to_rfc3339(holder.started_at),
        "elapsed_seconds": max(0, int((context.at - holder.started_at).total_seconds())),
    }
