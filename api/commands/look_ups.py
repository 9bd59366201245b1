"""The rows that a command is about, as its API call finds them. A doctor finds only rows of this doctor."""

from sqlalchemy import Connection

from patient_visit_engine.api.access.authentication import not_yours
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.problems import NotFound, Problem
from patient_visit_engine.storage.doctor_days import is_active_doctor
from patient_visit_engine.storage.past_trackings import read_past_tracking
from patient_visit_engine.storage.screens import patient_day
from patient_visit_engine.storage.trackings import last_changed_consultation
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, Role
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.wire.trackings import TrackingRow


def look_up_consultation(connection: Connection, consultation_id: str) -> TrackingRow:
    """The row of this consultation, of any doctor. Raises `NotFound`."""
    row = patient_day.find_consultation(connection, consultation_id)
    if row is None:
        raise NotFound("consultation")
    return row


def look_up_own_consultation(connection: Connection, caller: Caller, consultation_id: str) -> TrackingRow:
    """The row of the doctor's own consultation. Raises `NotFound`, and Problem 403 `not_yours`."""
    row = look_up_consultation(connection, consultation_id)
    if row.doctor_id != caller.doctor_id:
        raise not_yours()
    return row


def look_up_appointment(connection: Connection, caller: Caller, appointment_id: int) -> Appointment:
    """The appointment. Raises `NotFound`, and Problem 403 `not_yours` when it belongs to another doctor than the caller."""
    appointment = patient_day.find_appointment(connection, appointment_id)
    if appointment is None:
        raise NotFound("appointment")
    if caller.role is Role.doctor and appointment.doctor_id != caller.doctor_id:
        raise not_yours()
    return appointment


def look_up_completed_by_status(connection: Connection, caller: Caller, appointment_id: int) -> Appointment:
    """The appointment, also one that the doctor has given away. Raises as `look_up_appointment`."""
    appointment = patient_day.find_appointment(connection, appointment_id)
    if appointment is None:
        raise NotFound("appointment")
    doctor_id = caller.doctor_id
    if doctor_id is None or doctor_id == appointment.doctor_id:
        return appointment
    # When this doctor's consultation has changed since this was asked, the visit says so.
    if last_changed_consultation(connection, appointment_id, doctor_id) is None:
        raise not_yours()
    return appointment


def look_up_doctors(connection: Connection, doctor_ids: tuple[int, ...]) -> bool:
    """True when all these doctors exist. Raises `NotFound`."""
    if any(is_active_doctor(connection, doctor_id) is None for doctor_id in doctor_ids):
        raise NotFound("doctor")
    return True


def look_up_with_doctor(
    connection: Connection, caller: Caller, appointment_id: int, doctor_id: int
) -> tuple[Appointment, bool]:
    """The appointment, and whether this doctor is active. Raises as `look_up_appointment`, and `NotFound` for the doctor."""
    appointment = look_up_appointment(connection, caller, appointment_id)
    if (is_active := is_active_doctor(connection, doctor_id)) is None:
        raise NotFound("doctor")
    return appointment, is_active


def look_up_started(connection: Connection, caller: Caller, consultation_id: str) -> tuple[TrackingRow, PastTracking]:
    """The consultation with the past of its appointment. A supervisor finds that of any doctor."""
    row = look_up_consultation(connection, consultation_id)
    if caller.role is Role.doctor and row.doctor_id != caller.doctor_id:
        raise not_yours()
    return row, _look_up_past(connection, row.appointment_id)


def look_up_with_past(connection: Connection, caller: Caller, appointment_id: int) -> tuple[Appointment, PastTracking]:
    """The appointment with its past. Raises as `look_up_appointment`."""
    return look_up_appointment(connection, caller, appointment_id), _look_up_past(connection, appointment_id)


def look_up_leaving(
    connection: Connection, caller: Caller, appointment_id: int
) -> tuple[Appointment, PastTracking | None]:
    """The appointment, with its past when no one is checked in for it. Raises as `look_up_appointment`."""
    appointment = look_up_appointment(connection, caller, appointment_id)
    is_away = appointment.status in BEFORE_ARRIVAL
    return appointment, _look_up_past(connection, appointment_id) if is_away else None


def look_up_completed(connection: Connection, caller: Caller, consultation_id: str) -> tuple[Appointment, PastTracking]:
    """The appointment of the consultation, with its past. Raises as `look_up_started`."""
    row, past = look_up_started(connection, caller, consultation_id)
    appointment = patient_day.find_appointment(connection, row.appointment_id)
    if appointment is None:
        raise NotFound("appointment")
    return appointment, past


def look_up_transferred(
    connection: Connection, caller: Caller, consultation_id: str, doctor_id: int
) -> tuple[Appointment, bool]:
    """The appointment of the consultation, and whether this doctor, who gets it, is active.

    Raises as `look_up_started`, `NotFound` for the doctor, and Problem 422 `same_doctor`.
    """
    row = look_up_consultation(connection, consultation_id)
    if caller.role is Role.doctor and row.doctor_id != caller.doctor_id:
        raise not_yours()
    if row.doctor_id == doctor_id:
        raise Problem(422, "same_doctor", "The consultation has this doctor already")
    appointment = patient_day.find_appointment(connection, row.appointment_id)
    if appointment is None:
        raise NotFound("appointment")
    if (is_active := is_active_doctor(connection, doctor_id)) is None:
        raise NotFound("doctor")
    return appointment, is_active


def _look_up_past(connection: Connection, appointment_id: int) -> PastTracking:
    past = read_past_tracking(connection, appointment_id)
    if past is None:
        raise NotFound("appointment")
    return past
