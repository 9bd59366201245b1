"""The rule of each command: a pure function of the command, the state and the time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from patient_visit_engine.visit import (
    appointment_changes,
    arrivals,
    calling,
    canceling,
    ending,
    handing_over,
    merging,
    pausing,
    reception,
    reopening,
    starting,
    transferring,
    undoing,
    waiting_line,
    walk_ins,
)
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
from patient_visit_engine.visit.carry_over import carry_over
from patient_visit_engine.visit.changes import NoteRescue
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, AppointmentStatus
from patient_visit_engine.visit.commands import (
    Command,
    ConsultationCommand,
    PatientCommand,
    RecordCommand,
    SystemCommand,
    appointment_of,
)
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
from patient_visit_engine.visit.decisions import Decision, Refused, Verdict
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
from patient_visit_engine.visit.refusals import AppointmentMismatch
from patient_visit_engine.visit.state import VisitState


def adopt(_command: Adopt, _state: VisitState, _now: datetime) -> Verdict:
    """Nothing more than every decision does: it takes over what is open from earlier days."""
    return None, ()


def rescue(command: Rescue, _state: VisitState, _now: datetime) -> Verdict:
    """Note the rescue. The patient's consultations and places in line stay as they are."""
    return None, (NoteRescue(reason=command.reason),)


RULES: dict[type, Callable[[Any, VisitState, datetime], Verdict]] = {
    StartConsultation: starting.start_consultation,
    CompleteConsultation: ending.complete_consultation,
    ExtendConsultation: ending.extend_consultation,
    ReleaseConsultation: ending.release_consultation,
    UndoStart: undoing.undo_start,
    CheckIn: reception.check_in,
    CheckOut: reception.check_out,
    UndoCheckIn: undoing.undo_check_in,
    UndoCheckOut: undoing.undo_check_out,
    OpenWalkIn: walk_ins.open_walk_in,
    CallPatient: calling.call_patient,
    NoAnswer: calling.no_answer,
    CheckInPatient: arrivals.check_in_patient,
    CheckOutPatient: arrivals.check_out_patient,
    UndoCheckInPatient: arrivals.undo_check_in_patient,
    UndoCheckOutPatient: arrivals.undo_check_out_patient,
    Reopen: reopening.reopen,
    CancelAppointment: canceling.cancel_appointment,
    UndoCancel: canceling.undo_cancel,
    Pause: pausing.pause,
    Resume: pausing.resume,
    Transfer: transferring.transfer,
    SetAppointmentStatus: reception.set_appointment_status,
    SetPriority: reception.set_priority,
    Reassign: handing_over.reassign,
    ChangeAppointment: appointment_changes.change_appointment,
    JoinWaitingLine: waiting_line.join_waiting_line,
    LeaveWaitingLine: waiting_line.leave_waiting_line,
    MergePatients: merging.merge_patients,
    SeparatePatients: merging.separate_patients,
    Adopt: adopt,
    Rescue: rescue,
}


def decide(command: Command | SystemCommand, state: VisitState, now: datetime) -> Decision:
    """The decision on `command` at `now`. Nothing has changed yet: the ledger records it.

    What is open from earlier days passes to the visit in the same decision.
    """
    carried, state = carry_over(state, now, _needed_appointment_id(command))
    answer, changes = RULES[type(command)](command, state, now)
    return Decision(answer=answer, changes=(*carried, *changes), at=now)


def _needed_appointment_id(command: Command | SystemCommand) -> int | None:
    """The appointment whose open check-in the command is about. A new arrival needs no earlier one."""
    if isinstance(command, SystemCommand | ConsultationCommand | RecordCommand | PatientCommand | OpenWalkIn | CheckIn):
        return None
    if isinstance(command, SetAppointmentStatus) and command.status is AppointmentStatus.pending:
        return None
    return command.appointment.id


def decide_on_appointment(
    command: Command, appointment: Appointment | None, state: VisitState, now: datetime
) -> Decision:
    """The decision on `command` with `appointment`, which is the command's appointment as the ledger has it.

    It may have changed since the request was checked. Then the decision is on the new one, and a refusal if patient or
    doctor are different, or if the patient who is to be called has left. A change by the hospital's own system is about any
    doctor. Commands on a consultation, on records or on a patient have no appointment.
    """
    sent = appointment_of(command)
    if isinstance(command, ConsultationCommand | RecordCommand | PatientCommand | OpenWalkIn):
        return decide(command, state, now)
    if sent is None or appointment is None or sent == appointment:
        return decide(command, state, now)
    is_of_other = _has_other_doctor(command, sent, appointment) or sent.patient_id != appointment.patient_id
    if is_of_other or (isinstance(command, CallPatient) and _has_left(sent, appointment)):
        return Decision(answer=Refused(refusal=AppointmentMismatch(completed_by=_completed_by(command))), at=now)
    return decide(command.model_copy(update={"appointment": appointment}), state, now)


def _completed_by(command: Command) -> int | None:
    """The doctor who completes the consultation of the appointment with this command, if it does."""
    if isinstance(command, SetAppointmentStatus) and command.status is AppointmentStatus.done:
        return command.doctor_id
    return None


def _has_other_doctor(command: Command, sent: Appointment, appointment: Appointment) -> bool:
    """Whether the appointment was given to a doctor whom the command is not about."""
    if isinstance(command, Reassign) and appointment.doctor_id == command.doctor_id:
        # Its effect stands already.
        return False
    # A transfer is about the consultation, and its effect can stand already.
    return sent.doctor_id != appointment.doctor_id and not isinstance(command, ChangeAppointment | Transfer)


def _has_left(sent: Appointment, appointment: Appointment) -> bool:
    """Whether the patient, who was checked in for the appointment, has left since then."""
    return sent.status is AppointmentStatus.pending and appointment.status in BEFORE_ARRIVAL
