"""The handler of each command in the workflow."""

from typing import Any

from patient_visit_engine.workflows.patient_visit import PatientVisit

# The handler of each command, by the name of its class. Temporal calls it in the worker process. Each handler calls
# `PatientVisit._handle`, except `adopt`.
UPDATES: dict[str, Any] = {
    "StartConsultation": PatientVisit.start_consultation,
    "CompleteConsultation": PatientVisit.complete_consultation,
    "ExtendConsultation": PatientVisit.extend_consultation,
    "ReleaseConsultation": PatientVisit.release_consultation,
    "UndoStart": PatientVisit.undo_start,
    "Reopen": PatientVisit.reopen,
    "CancelAppointment": PatientVisit.cancel_appointment,
    "UndoCancel": PatientVisit.undo_cancel,
    "Pause": PatientVisit.pause,
    "Resume": PatientVisit.resume,
    "Transfer": PatientVisit.transfer,
    "CheckIn": PatientVisit.check_in,
    "CheckOut": PatientVisit.check_out,
    "UndoCheckIn": PatientVisit.undo_check_in,
    "UndoCheckOut": PatientVisit.undo_check_out,
    "OpenWalkIn": PatientVisit.open_walk_in,
    "CallPatient": PatientVisit.call_patient,
    "NoAnswer": PatientVisit.no_answer,
    "CheckInPatient": PatientVisit.check_in_patient,
    "CheckOutPatient": PatientVisit.check_out_patient,
    "UndoCheckInPatient": PatientVisit.undo_check_in_patient,
    "UndoCheckOutPatient": PatientVisit.undo_check_out_patient,
    "SetAppointmentStatus": PatientVisit.set_appointment_status,
    "SetPriority": PatientVisit.set_priority,
    "Reassign": PatientVisit.reassign,
    "ChangeAppointment": PatientVisit.change_appointment,
    "JoinWaitingLine": PatientVisit.join_waiting_line,
    "LeaveWaitingLine": PatientVisit.leave_waiting_line,
    "MergePatients": PatientVisit.merge_patients,
    "SeparatePatients": PatientVisit.separate_patients,
    "Adopt": PatientVisit.adopt,
}
# Each signal has the same name as its update. Its method ends in `_later`.
SIGNALS = {"StartConsultation": "start_consultation", "CompleteConsultation": "complete_consultation"}
