"""The commands of a visit. They carry ids, codes and times only: a name or a client's text would stay in Temporal's history."""

from datetime import timedelta
from typing import get_args

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import (
    CancelAppointment,
    ChangeAppointment,
    CheckIn,
    CheckOut,
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
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.facts import OtherConsultation
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.patient_commands import (
    Adopt,
    CheckInPatient,
    CheckOutPatient,
    MergePatients,
    OpenWalkIn,
    Rescue,
    SeparatePatients,
    UndoCheckInPatient,
    UndoCheckOutPatient,
)
from patient_visit_engine.visit.person_records import SeenRecord

SystemCommand = Adopt | Rescue
ConsultationCommand = CompleteConsultation | ExtendConsultation | ReleaseConsultation | Pause | UndoStart
#: The commands that depend on the past of an appointment.
UndoCommand = UndoStart | UndoCheckIn | UndoCheckOut | UndoCancel | Reopen
#: The commands that depend on the doctor's last call.
CallCommand = CallPatient | NoAnswer
#: The commands on two records of one person.
RecordCommand = MergePatients | SeparatePatients
#: The commands on all appointments of a patient's day.
PatientCommand = CheckInPatient | CheckOutPatient | UndoCheckInPatient | UndoCheckOutPatient
Command = (
    ConsultationCommand
    | RecordCommand
    | PatientCommand
    | OpenWalkIn
    | CallPatient
    | NoAnswer
    | StartConsultation
    | CheckIn
    | CheckOut
    | UndoCheckIn
    | UndoCheckOut
    | Reopen
    | CancelAppointment
    | UndoCancel
    | Resume
    | Transfer
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
ExpiringCommand = StartConsultation | JoinWaitingLine | Reopen | Resume | Transfer | CallPatient
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
    return command.past if isinstance(command, UndoCommand | CheckOut) else None


def with_past_tracking(command: Command, past: PastTracking | None) -> Command:
    """The command with this past of its appointment. Unchanged when `past` is None."""
    if past is None or not isinstance(command, UndoCommand | CheckOut):
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


def call_of(command: Command | SystemCommand | None) -> DoctorCall | None:
    """The last call of the command's doctor, as its sender read it. None for a command that does not depend on it."""
    return command.call if isinstance(command, CallCommand) else None


def with_call(command: Command, call: DoctorCall | None) -> Command:
    """The command with this last call of its doctor. Unchanged when `call` is None."""
    if call is None or not isinstance(command, CallCommand):
        return command
    return command.model_copy(update={"call": call})


def keeps_refusal(command: Command | SystemCommand | None) -> bool:
    """Whether a refusal of the command is the answer to its request. Not for a call: its caller tries the next patient."""
    return not isinstance(command, CallPatient)


def with_busy_doctor(command: Command, busy_with: tuple[OtherConsultation, ...] | None) -> Command:
    """The command with the consultations that its doctor has with other patients. Unchanged for None: the ledger has not looked."""
    if busy_with is None or not isinstance(command, StartCommand):
        return command
    return command.model_copy(update={"busy_with": busy_with})
