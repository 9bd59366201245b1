"""Commands of example doctors and receptionists, for all tests."""

from datetime import datetime, timedelta
from typing import Any

from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.appointment_commands import (
    CancelAppointment,
    ChangeAppointment,
    CheckIn,
    JoinWaitingLine,
    LeaveWaitingLine,
    Reassign,
    SetAppointmentStatus,
    SetPriority,
    UndoCancel,
    UndoCheckIn,
    UndoCheckOut,
)
from patient_visit_engine.visit.call_commands import CallPatient, NoAnswer
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Outcome
from patient_visit_engine.visit.commands import Command, PatientCommand
from patient_visit_engine.visit.consultation_commands import (
    CompleteConsultation,
    ExtendConsultation,
    Pause,
    ReleaseConsultation,
    Reopen,
    Resume,
    StartConsultation,
    Transfer,
    UndoStart,
)
from patient_visit_engine.visit.day_appointments import DayAppointment, DayAppointments
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.patient_commands import MergePatients, OpenWalkIn, SeparatePatients
from patient_visit_engine.visit.person_records import SeenRecord
from tests.support.builders import CALENDAR, DAY, JOHN_DOE, RECEPTIONIST, Doctor, a_request


def stamped(command: Command, at: datetime, *, valid_for: timedelta | None = None, asynchronous: bool = False) -> Any:
    """The command as the API stamps it. Without `valid_for` it stays valid however late it comes."""
    valid_until = None if valid_for is None else at + valid_for
    stamp = {"asked_at": at, "valid_until": valid_until, "asynchronous": asynchronous}
    return command.model_copy(update={"request": command.request.model_copy(update=stamp)})


def a_start(appointment: Appointment, key: str = "start", *, wait: bool = False) -> StartConsultation:
    """The doctor of the appointment starts the consultation."""
    return StartConsultation(request=a_request(key), appointment=appointment, wait=wait)


def a_completion(
    consultation: Consultation, key: str = "complete", *, by: Doctor | None = None
) -> CompleteConsultation:
    """The holder, or the doctor `by`, completes the consultation."""
    return CompleteConsultation(
        request=a_request(key),
        patient_id=consultation.patient_id,
        consultation_id=consultation.id,
        doctor_id=consultation.doctor_id if by is None else by.id,
    )


def an_extension(consultation: Consultation, minutes: int, *, by: Doctor | None = None) -> ExtendConsultation:
    """The holder, or the doctor `by`, asks for more time."""
    return ExtendConsultation(
        request=a_request("extend"),
        patient_id=consultation.patient_id,
        consultation_id=consultation.id,
        doctor_id=consultation.doctor_id if by is None else by.id,
        minutes=minutes,
    )


def a_release(consultation: Consultation, key: str = "release") -> ReleaseConsultation:
    """A supervisor releases the consultation."""
    return ReleaseConsultation(
        request=a_request(key), patient_id=consultation.patient_id, consultation_id=consultation.id
    )


def a_call(appointment: Appointment, key: str = "call", *, last: DoctorCall | None = None) -> CallPatient:
    """The doctor of the appointment calls the patient, after the doctor's call `last`."""
    call = last or DoctorCall(doctor_id=appointment.doctor_id)
    return CallPatient(request=a_request(key), appointment=appointment, call=call)


def an_open_call(appointment: Appointment, called_at: datetime, until: datetime) -> DoctorCall:
    """The doctor of the appointment has called its patient, and waits."""
    return DoctorCall(
        doctor_id=appointment.doctor_id,
        appointment_id=appointment.id,
        called_at=called_at,
        until=until,
        is_kept=True,
    )


def a_no_answer(
    appointment: Appointment, call: DoctorCall, key: str = "no answer", *, behind_id: int | None = None
) -> NoAnswer:
    """The patient of this call does not come."""
    return NoAnswer(
        request=a_request(key), appointment=appointment, call=call, called_at=call.called_at, behind_id=behind_id
    )


def a_past(
    appointment: Appointment,
    outcome: Outcome | None = None,
    *,
    arrived_at: datetime | None = None,
    ended_at: datetime | None = None,
    consultation_id: str | None = None,
    canceled_at: datetime | None = None,
    status: AppointmentStatus = AppointmentStatus.scheduled,
) -> PastTracking:
    """The past of the appointment. Before the arrival it was `status`."""
    return PastTracking(
        appointment_id=appointment.id,
        earlier_status=status,
        canceled_at=canceled_at,
        outcome=outcome,
        check_in_time=arrived_at,
        ended_at=ended_at,
        consultation_id=consultation_id,
    )


def an_undo_of_start(
    consultation: Consultation, past: PastTracking, key: str = "undo", *, by: Doctor | None = None
) -> UndoStart:
    """A supervisor, or the doctor `by`, takes back the start."""
    return UndoStart(
        request=a_request(key),
        patient_id=consultation.patient_id,
        consultation_id=consultation.id,
        doctor_id=None if by is None else by.id,
        past=past,
    )


def a_reopening(
    appointment: Appointment, past: PastTracking, key: str = "reopen", *, by: Doctor | None = None
) -> Reopen:
    """A supervisor, or the doctor `by`, takes back the completion."""
    return Reopen(
        request=a_request(key),
        appointment=appointment,
        consultation_id=past.consultation_id or "",
        doctor_id=None if by is None else by.id,
        past=past,
    )


def a_pause(consultation: Consultation, key: str = "pause", *, by: Doctor | None = None) -> Pause:
    """The holder, or the doctor `by`, pauses the consultation."""
    return Pause(
        request=a_request(key),
        patient_id=consultation.patient_id,
        consultation_id=consultation.id,
        doctor_id=consultation.doctor_id if by is None else by.id,
    )


def a_resumption(appointment: Appointment, consultation: Consultation, key: str = "resume") -> Resume:
    """The doctor of the appointment resumes the consultation."""
    return Resume(request=a_request(key), appointment=appointment, consultation_id=consultation.id)


def an_undo_of_check_in(appointment: Appointment, past: PastTracking, key: str = "undo check-in") -> UndoCheckIn:
    """Reception takes back the check-in."""
    return UndoCheckIn(request=a_request(key, RECEPTIONIST), appointment=appointment, past=past)


def an_undo_of_check_out(appointment: Appointment, past: PastTracking, key: str = "undo check-out") -> UndoCheckOut:
    """Reception takes back the check-out."""
    return UndoCheckOut(request=a_request(key, RECEPTIONIST), appointment=appointment, past=past)


def a_cancellation(
    appointment: Appointment, reason: CancelReason = CancelReason.patient, key: str = "cancel"
) -> CancelAppointment:
    """Reception cancels the appointment."""
    return CancelAppointment(request=a_request(key, RECEPTIONIST), appointment=appointment, reason=reason)


def an_undo_of_cancellation(appointment: Appointment, past: PastTracking, key: str = "undo cancel") -> UndoCancel:
    """Reception takes back the cancellation."""
    return UndoCancel(request=a_request(key, RECEPTIONIST), appointment=appointment, past=past)


def a_check_in(appointment: Appointment, key: str = "check-in") -> CheckIn:
    """Reception checks the patient in."""
    return CheckIn(request=a_request(key, RECEPTIONIST), appointment=appointment)


def a_day(*items: DayAppointment, left_at: datetime | None = None) -> DayAppointments:
    """The appointments of DAY, as their sender knows them."""
    return DayAppointments(
        day=DAY, starts_at=CALENDAR.starts_at(DAY), ends_at=CALENDAR.ends_at(DAY), items=items, left_at=left_at
    )


def of_patient(
    command: type[PatientCommand], day: DayAppointments, key: str = "arrival", *, patient_id: int = JOHN_DOE.id
) -> PatientCommand:
    """Reception checks the patient in or out for the whole day, or takes it back."""
    return command(request=a_request(key, RECEPTIONIST), patient_id=patient_id, day=day)


def a_walk_in(appointment: Appointment, key: str = "walk-in", *, by: Doctor | None = None) -> OpenWalkIn:
    """Reception, or the doctor `by`, gives the patient this new appointment."""
    return OpenWalkIn(request=a_request(key), walk_in=appointment, sent_by=None if by is None else by.id)


def a_wait(appointment: Appointment, key: str = "wait") -> JoinWaitingLine:
    """The doctor of the appointment joins the waiting line."""
    return JoinWaitingLine(request=a_request(key), appointment=appointment)


def a_leave(appointment: Appointment, key: str = "leave") -> LeaveWaitingLine:
    """The doctor of the appointment leaves the waiting line."""
    return LeaveWaitingLine(request=a_request(key), appointment=appointment)


def a_status(appointment: Appointment, status: AppointmentStatus, by: int | None = None) -> SetAppointmentStatus:
    """Reception, or the doctor `by`, sets the status."""
    return SetAppointmentStatus(
        request=a_request(f"status {status}"), appointment=appointment, status=status, doctor_id=by
    )


def a_priority(appointment: Appointment, priority: int | None, key: str = "priority") -> SetPriority:
    """Reception sets the priority, or removes it."""
    return SetPriority(request=a_request(key, RECEPTIONIST), appointment=appointment, priority=priority)


def a_reassignment(appointment: Appointment, doctor: Doctor, key: str = "reassign", *, active: bool = True) -> Reassign:
    """Reception gives the appointment to the doctor."""
    return Reassign(
        request=a_request(key, RECEPTIONIST), appointment=appointment, doctor_id=doctor.id, doctor_active=active
    )


def a_transfer(
    appointment: Appointment,
    consultation: Consultation,
    doctor: Doctor,
    key: str = "transfer",
    *,
    by: Doctor | None = None,
    active: bool = True,
) -> Transfer:
    """The doctor `by`, or a supervisor, transfers the consultation to the doctor."""
    return Transfer(
        request=a_request(key),
        appointment=appointment,
        consultation_id=consultation.id,
        doctor_id=None if by is None else by.id,
        to_doctor_id=doctor.id,
        to_doctor_active=active,
    )


def a_change(appointment: Appointment, key: str = "change", **fields: Any) -> ChangeAppointment:
    """The hospital's own system changes these fields of the appointment."""
    return ChangeAppointment(
        request=a_request(key), appointment=appointment, fields_sent=AppointmentFields.model_validate(fields)
    )


def a_merge(retired: SeenRecord, key: str = "merge", *, into: int = JOHN_DOE.id) -> MergePatients:
    """A supervisor merges the record into John Doe's, or into the patient `into`."""
    return MergePatients(request=a_request(key), patient_id=into, retired=retired)


def a_separation(retired: SeenRecord, key: str = "separate", *, patient_id: int = JOHN_DOE.id) -> SeparatePatients:
    """A supervisor separates the record again."""
    return SeparatePatients(request=a_request(key), patient_id=patient_id, retired=retired)
