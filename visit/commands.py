"""The commands of a visit. They carry ids, codes and times only: a name or a client's text would stay in Temporal's history."""

from datetime import date, datetime, timedelta
from typing import Literal, get_args

from pydantic import Field

from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, DoctorBusy, RescueReason
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.state import (
    LONG_AGO,
    Appointment,
    AppointmentFields,
    Frozen,
    Limits,
    OtherConsultation,
    VisitState,
    is_absent,
    is_false,
)


class Request(Frozen):
    """Who sent the command, and the identity under which its answer is stored.

    `id` is the SHA-256 of the caller and the Idempotency-Key. `fingerprint` is the SHA-256 of method, path and body.

    `asked_at` is the database's time when the API got the request. None in requests of earlier versions.
    After `valid_until`, also on the database's clock, the command has no effect. None: it is valid however late it comes.
    `asynchronous`: the caller did not wait, so the ledger stores an answer when the request has expired.
    `http_request_id` is the `X-Request-ID` of the HTTP request that sent the command, to find it in the logs.
    `sent_by_feed`: another system of the hospital sent it, and not staff. So it does not make the later messages of that system old.
    """

    id: str
    caller_id: int
    fingerprint: str
    asked_at: datetime | None = None
    valid_until: datetime | None = None
    asynchronous: bool = False
    http_request_id: str | None = None
    sent_by_feed: bool = Field(default=False, exclude_if=is_false)


class StartConsultation(Frozen):
    """The appointment's doctor begins to see the patient. With `wait`, a refused doctor joins the waiting line.

    `doctor_busy` is the hospital's rule for a doctor who has another patient. `busy_with` are the doctor's consultations with them as
    the API read them, or as the ledger found them when they had changed.
    """

    request: Request
    appointment: Appointment
    wait: bool = False
    doctor_busy: DoctorBusy = DoctorBusy.off
    busy_with: tuple[OtherConsultation, ...] = ()


class CompleteConsultation(Frozen):
    """The holder ends the consultation."""

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int


class ExtendConsultation(Frozen):
    """The holder needs `minutes` more."""

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int
    minutes: int


class ReleaseConsultation(Frozen):
    """A supervisor ends a consultation that its holder forgot. The reason stays in the database."""

    request: Request
    patient_id: int
    consultation_id: str


class UndoStart(Frozen):
    """The start was a mistake. `doctor_id` is None when a supervisor takes it back.

    `past` is the appointment's past as the API read it, or as the ledger found it when it had changed.
    """

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int | None = None
    past: PastTracking


class Reopen(Frozen):
    """The completion was a mistake: the consultation goes on. `doctor_id` and `past` are as in `UndoStart`."""

    request: Request
    appointment: Appointment
    consultation_id: str
    doctor_id: int | None = None
    past: PastTracking


class CancelAppointment(Frozen):
    """The appointment will not take place."""

    request: Request
    appointment: Appointment
    reason: CancelReason


class UndoCancel(Frozen):
    """The cancellation was a mistake. `past` is as in `UndoStart`."""

    request: Request
    appointment: Appointment
    past: PastTracking


class Pause(Frozen):
    """The holder interrupts the consultation, so that the patient is free for others. The reason stays in the database."""

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int


class Resume(Frozen):
    """The doctor of a paused consultation goes on with it. `doctor_busy` and `busy_with` are as in `StartConsultation`."""

    request: Request
    appointment: Appointment
    consultation_id: str
    doctor_busy: DoctorBusy = DoctorBusy.off
    busy_with: tuple[OtherConsultation, ...] = ()


class CheckIn(Frozen):
    """The patient has arrived for the appointment."""

    request: Request
    appointment: Appointment


class CheckOut(Frozen):
    """The patient has left without being seen."""

    request: Request
    appointment: Appointment


class UndoCheckIn(Frozen):
    """The check-in was a mistake. `past` is as in `UndoStart`."""

    request: Request
    appointment: Appointment
    past: PastTracking


class UndoCheckOut(Frozen):
    """The check-out was a mistake: the patient is still here. `past` is as in `UndoStart`."""

    request: Request
    appointment: Appointment
    past: PastTracking


class CheckInPatient(Frozen):
    """The patient has arrived, for all open appointments of the day.

    `day` are the appointments as the API read them, or as the ledger found them when they had changed. `record_id` is as in a merge.
    """

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class CheckOutPatient(Frozen):
    """The patient has left without being seen. The fields are those of `CheckInPatient`."""

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class UndoCheckInPatient(Frozen):
    """The patient is not here. The fields are those of `CheckInPatient`."""

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class UndoCheckOutPatient(Frozen):
    """The patient is still here. The fields are those of `CheckInPatient`."""

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class OpenWalkIn(Frozen):
    """A patient has come without an appointment, and gets `walk_in`. The names of a new patient are in the row of the request.

    `walk_in` has what its doctor and its prestation had when the API read them, or as the ledger found it when it had changed.
    `sent_by` is the doctor who sends the command. None: reception or a supervisor does.
    """

    request: Request
    walk_in: Appointment
    sent_by: int | None = None


class SetAppointmentStatus(Frozen):
    """Reception, a supervisor or the appointment's doctor sets the status. `doctor_id` is None unless a doctor does."""

    request: Request
    appointment: Appointment
    status: AppointmentStatus
    doctor_id: int | None = None


class SetPriority(Frozen):
    """Reception, a supervisor or the appointment's doctor says how urgent it is: 1 is most urgent, None is no priority."""

    request: Request
    appointment: Appointment
    priority: int | None = None


class Reassign(Frozen):
    """Reception, a supervisor or the appointment's doctor gives the appointment to another doctor. The reason stays in the database.

    `doctor_active`: whether that doctor works here, as the API read it. The ledger does not compare it: a doctor who becomes inactive
    at this moment has the appointment, but cannot start it.
    """

    request: Request
    appointment: Appointment
    doctor_id: int
    doctor_active: bool = Field(default=True, exclude_if=bool)


class ChangeAppointment(Frozen):
    """The hospital's own system changes these fields of an appointment for which something is open.

    `version` is the one that the appointment must still have, because its sender has named it or a time. None: it may have any.
    """

    request: Request
    appointment: Appointment
    fields_sent: AppointmentFields
    version: int | None = Field(default=None, exclude_if=is_absent)


class JoinWaitingLine(Frozen):
    """The appointment's doctor waits for the busy patient."""

    request: Request
    appointment: Appointment


class LeaveWaitingLine(Frozen):
    """The appointment's doctor stops waiting."""

    request: Request
    appointment: Appointment


class MergePatients(Frozen):
    """The hospital found that two records are one person. The reason stays in the database.

    `retired` is the other record as the API read it, or as the ledger found it when it had changed. `record_id` is the record that the
    caller named, when it is a retired one of this patient.
    """

    request: Request
    patient_id: int
    retired: SeenRecord
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class SeparatePatients(Frozen):
    """A supervisor undoes the merge that retired this record. `record_id` is as in a merge."""

    request: Request
    patient_id: int
    retired: SeenRecord
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class Adopt(Frozen):
    """Read the facts again, and take over what is open from earlier days."""


class Rescue(Frozen):
    """Note that the visit's earlier workflow was ended, because it could not decide any more, and read the facts again."""

    reason: RescueReason


SystemCommand = Adopt | Rescue
ConsultationCommand = CompleteConsultation | ExtendConsultation | ReleaseConsultation | Pause | UndoStart
#: The commands that depend on the past of an appointment.
UndoCommand = UndoStart | UndoCheckIn | UndoCheckOut | UndoCancel | Reopen
#: The commands on two records of one person.
RecordCommand = MergePatients | SeparatePatients
#: The commands on all appointments of a patient's day.
PatientCommand = CheckInPatient | CheckOutPatient | UndoCheckInPatient | UndoCheckOutPatient
Command = (
    ConsultationCommand
    | RecordCommand
    | PatientCommand
    | OpenWalkIn
    | StartConsultation
    | CheckIn
    | CheckOut
    | UndoCheckIn
    | UndoCheckOut
    | Reopen
    | CancelAppointment
    | UndoCancel
    | Resume
    | SetAppointmentStatus
    | SetPriority
    | Reassign
    | ChangeAppointment
    | JoinWaitingLine
    | LeaveWaitingLine
)
#: The name of each command in Temporal and in the log, by its class. Example: `start_consultation`.
COMMAND_NAMES: dict[type[Command | SystemCommand], str] = {
    command: "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in command.__name__).lstrip("_")
    for command in (*get_args(Command), *get_args(SystemCommand))
}
#: How long an asynchronous start is valid when the client does not say it.
ASYNC_VALID_FOR = timedelta(seconds=60)
#: The commands that are valid for a limited time after they were asked.
ExpiringCommand = StartConsultation | JoinWaitingLine | Reopen | Resume
#: The commands by which a doctor begins with a patient, or goes on after a pause.
StartCommand = StartConsultation | Resume


def patient_of(command: Command) -> int:
    """The id of the patient. The command goes to this patient's visit."""
    if isinstance(command, OpenWalkIn):
        return command.walk_in.patient_id
    return (
        command.patient_id
        if isinstance(command, ConsultationCommand | RecordCommand | PatientCommand)
        else command.appointment.patient_id
    )


def with_patient(command: Command, patient_id: int) -> Command:
    """The command for another person, who has its record since a merge or a separation."""
    if isinstance(command, ConsultationCommand):
        return command.model_copy(update={"patient_id": patient_id})
    if isinstance(command, RecordCommand | PatientCommand):
        named_id = command.patient_id if command.record_id is None else command.record_id
        record_id = None if named_id == patient_id else named_id
        return command.model_copy(update={"patient_id": patient_id, "record_id": record_id})
    if isinstance(command, OpenWalkIn):
        return command.model_copy(update={"walk_in": command.walk_in.of_person(patient_id)})
    return command.model_copy(update={"appointment": command.appointment.of_person(patient_id)})


def separated_person(command: Command, appointment: Appointment | None) -> int | None:
    """The person who has the command's appointment since a separation. None when the appointment has changed in no such way.

    `appointment` is the command's appointment as the ledger has it. A change that the hospital's own system has sent is sent again as
    a whole, because it can name the former person.
    """
    sent = appointment_of(command)
    if sent is None or appointment is None or isinstance(command, ChangeAppointment):
        return None
    is_moved = appointment.record == sent.record and appointment.patient_id != sent.patient_id
    return appointment.patient_id if is_moved else None


def appointment_of(command: Command) -> Appointment | None:
    """The appointment as the sender read it. None for commands on a consultation, on records or on a patient, and for a new one."""
    if isinstance(command, ConsultationCommand | RecordCommand | PatientCommand | OpenWalkIn):
        return None
    return command.appointment


def retired_record_of(command: Command | SystemCommand | None) -> SeenRecord | None:
    """The record that the command merges or separates, as its sender read it."""
    return command.retired if isinstance(command, RecordCommand) else None


def named_record_of(command: Command | SystemCommand | None) -> int | None:
    """The retired record that the caller named for the patient. None: the caller named the patient, or something of the patient."""
    if isinstance(command, OpenWalkIn):
        return command.walk_in.record_id
    return command.record_id if isinstance(command, RecordCommand | PatientCommand) else None


def required_version(command: Command | SystemCommand | None) -> int | None:
    """The version that the command's appointment must still have. None: it may have any."""
    return command.version if isinstance(command, ChangeAppointment) else None


def with_retired_record(command: Command, retired: SeenRecord | None) -> Command:
    """The command with this record that it merges or separates. Unchanged when `retired` is None."""
    if retired is None or not isinstance(command, RecordCommand):
        return command
    return command.model_copy(update={"retired": retired})


def past_tracking_of(command: Command | SystemCommand | None) -> PastTracking | None:
    """The past of the command's appointment, as its sender read it. None for a command that does not depend on it."""
    return command.past if isinstance(command, UndoCommand) else None


def with_past_tracking(command: Command, past: PastTracking | None) -> Command:
    """The command with this past of its appointment. Unchanged when `past` is None."""
    if past is None or not isinstance(command, UndoCommand):
        return command
    return command.model_copy(update={"past": past})


def day_of(command: Command | SystemCommand | None) -> DayAppointments | None:
    """The appointments of the day, as the command's sender read them. None for a command that does not depend on them."""
    return command.day if isinstance(command, PatientCommand) else None


def with_day(command: Command, day: DayAppointments | None) -> Command:
    """The command with these appointments of the day. Unchanged when `day` is None."""
    if day is None or not isinstance(command, PatientCommand):
        return command
    return command.model_copy(update={"day": day})


def walk_in_of(command: Command | SystemCommand | None) -> Appointment | None:
    """The new appointment of a walk-in. None for another command."""
    return command.walk_in if isinstance(command, OpenWalkIn) else None


def with_walk_in(command: Command, walk_in: Appointment | None) -> Command:
    """The command with this new appointment. Unchanged when `walk_in` is None."""
    if walk_in is None or not isinstance(command, OpenWalkIn):
        return command
    return command.model_copy(update={"walk_in": walk_in})


def with_busy_doctor(command: Command, busy_with: tuple[OtherConsultation, ...] | None) -> Command:
    """The command with the consultations that its doctor has with other patients. Unchanged for None: the ledger has not looked."""
    if busy_with is None or not isinstance(command, StartCommand):
        return command
    return command.model_copy(update={"busy_with": busy_with})


class OpenVisit(Frozen):
    """The input of each run of a visit, not a command. Later runs also get the whole state, in `carried`.

    `is_current`: the carried facts were those of the ledger. They were not if the ledger was away.
    `rescue_reason`: why a rescue has opened this run. None: there was no rescue, or it is noted.
    `zone`: the hospital's time zone, for texts in Temporal's UI.
    `writes_attributes`: the namespace has accepted the search attributes that change with the visit, so the run may write them.
    """

    patient_id: int
    day: date
    day_starts_at: datetime = LONG_AGO
    day_ends_at: datetime
    limits: Limits = Limits()
    carried: VisitState | None = None
    is_current: bool = True
    rescue_reason: RescueReason | None = None
    zone: str = "UTC"
    writes_attributes: bool = False


class Reply(Frozen):
    """The result of an update. `decided`: the answer is stored under the request's id. Otherwise this day has closed.

    `moved_to`: nothing was decided, and the command belongs to the visit of this person. The visit's patient is a retired record, or
    the command's appointment belongs to this person again since a separation.

    `answer` and `code` are for people who look at the update in Temporal's UI: whether the stored answer grants the request, and the
    code of its refusal. They are None for a system command, and in histories of older programs.
    """

    decided: bool
    answer: Literal["granted", "refused"] | None = None
    code: str | None = None
    moved_to: int | None = Field(default=None, exclude_if=is_absent)
