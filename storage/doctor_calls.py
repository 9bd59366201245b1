"""Reads the last call of a doctor, with the room to which the patient is called, and the calls of a patient."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, and_, bindparam, case, exists, or_, select

from patient_visit_engine.storage.call_ends import IS_NOT_ENDED
from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    patients,
    prestations,
    reservations,
)
from patient_visit_engine.storage.tracking_conditions import has_outcome, is_open
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, ReservationKind
from patient_visit_engine.visit.doctor_call import DoctorCall, OtherCall

#: The statuses of an appointment that can still begin.
WAITING_STATUSES = (AppointmentStatus.scheduled, AppointmentStatus.confirmed, AppointmentStatus.pending)
_TRACKING, _RESERVED = patient_trackings.c, reservations.c
#: The patient came, or has left.
_IS_OVER = exists().where(
    _TRACKING.appointment_id == appointments.c.id,
    or_(_TRACKING.started_at >= appointments.c.called_at, _TRACKING.check_out_time >= appointments.c.called_at),
)
_IS_RESERVED = exists().where(
    _RESERVED.appointment_id == appointments.c.id,
    _RESERVED.doctor_id == doctors.c.id,
    _RESERVED.kind == ReservationKind.called.value,
)
_LAST, _OWN, _RECORD = patient_trackings.alias("last"), patient_trackings.alias("own"), patients.alias("record")
#: Something was open for the patient at the check-out. It ended later, or is open. What was opened later is another arrival.
_HAS_STAYED = (
    exists()
    .where(
        _OWN.c.person_id == _LAST.c.person_id,
        _OWN.c.check_in_time <= _LAST.c.check_out_time,
        or_(
            is_open(_OWN),
            and_(_OWN.c.check_out_time > _LAST.c.check_out_time, ~has_outcome(Outcome.mistaken, _OWN)),
        ),
    )
    .correlate(_LAST)
)
#: The patient has checked out since the call, and has not stayed for something else. An undone check-out is open again.
_HAS_LEFT = exists().where(
    _RECORD.c.id == appointments.c.patient_id,
    _LAST.c.person_id == _RECORD.c.person_id,
    has_outcome(Outcome.left, _LAST),
    _LAST.c.check_out_time >= appointments.c.called_at,
    ~_HAS_STAYED,
)
#: When the patient of the call was called.
CALLED = appointments.c.called_at
#: Something is left of the doctor's last call, in a query with the doctor and the appointment.
IS_LEFT = and_(
    appointments.c.id == doctors.c.called_appointment_id,
    appointments.c.doctor_id == doctors.c.id,
    doctors.c.call_until > CALLED,
    IS_NOT_ENDED,
    appointments.c.status.in_(WAITING_STATUSES),
    # While the patient is reserved, the doctor calls no other one. The times cannot say it, because two machines' clocks differ.
    or_(_IS_RESERVED, and_(~_IS_OVER, ~_HAS_LEFT)),
)
#: The patient is kept for the call, in a query that also has the prestation.
IS_KEPT = or_(_IS_RESERVED, ~prestations.c.exclusive)


#: The calls that reserve nothing.
_CALLS_WITHOUT_RESERVATION = (
    select(
        patients.c.person_id,
        appointments.c.id.label("appointment_id"),
        doctors.c.id.label("doctor_id"),
        doctors.c.call_until,
    )
    .select_from(patients)
    .join(appointments, appointments.c.patient_id == patients.c.id)
    .join(doctors, IS_LEFT)
    .join(prestations, and_(prestations.c.id == appointments.c.prestation_id, ~prestations.c.exclusive))
)
#: The last one first. After a merge a person can have two.
_OTHER_CALLS = (
    _CALLS_WITHOUT_RESERVATION.where(
        patients.c.person_id == bindparam("person", type_=BigInteger()),
        doctors.c.id != bindparam("doctor", type_=BigInteger()),
    )
    .order_by(doctors.c.call_until.desc())
    .limit(1)
)


class OpenCall(NamedTuple):
    """A call that reserves nothing, while the doctor waits for the patient."""

    doctor_id: int
    doctor: str
    appointment_id: int
    until: datetime


class CallAndRoom(NamedTuple):
    """The last call of a doctor, and the room in which the doctor sits."""

    call: DoctorCall
    room: str | None


def read_call(connection: Connection, doctor_id: int, day: date) -> CallAndRoom | None:
    """The last call of this doctor, with the room of the day. None for an unknown doctor."""
    query = (
        select(
            appointments.c.id,
            appointments.c.called_at,
            doctors.c.call_until,
            case((IS_KEPT, 1), else_=0).label("is_kept"),
            shown_room(day).label("room"),
        )
        .select_from(doctors)
        .outerjoin(appointments, IS_LEFT)
        .outerjoin(prestations, prestations.c.id == appointments.c.prestation_id)
        .where(doctors.c.id == doctor_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.id is None or row.called_at is None or row.call_until is None:
        return CallAndRoom(DoctorCall(doctor_id=doctor_id), row.room)
    call = DoctorCall(
        doctor_id=doctor_id,
        appointment_id=row.id,
        called_at=row.called_at,
        until=row.call_until,
        is_kept=bool(row.is_kept),
    )
    return CallAndRoom(call, row.room)


def read_other_call(connection: Connection, person_id: int, doctor_id: int) -> OtherCall | None:
    """The call of this person by another doctor, which reserves nothing. It may be over. Read it under the lock on the person."""
    row = connection.execute(_OTHER_CALLS, {"person": person_id, "doctor": doctor_id}).one_or_none()
    return None if row is None else OtherCall(doctor_id=row.doctor_id, until=row.call_until)


def read_calls_without_reservation(
    connection: Connection, person_ids: Iterable[int], now: datetime
) -> dict[int, list[OpenCall]]:
    """The open calls of each of these persons that reserve nothing, the last one first. After a merge a person can have two."""
    query = _CALLS_WITHOUT_RESERVATION.add_columns(doctors.c.name)
    query = query.where(patients.c.person_id.in_(person_ids), doctors.c.call_until > now)
    calls: dict[int, list[OpenCall]] = {}
    for row in connection.execute(query.order_by(doctors.c.call_until.desc())):
        call = OpenCall(row.doctor_id, row.name, row.appointment_id, row.call_until)
        calls.setdefault(row.person_id, []).append(call)
    return calls


def call_elsewhere(calls: Iterable[OpenCall], appointment_id: int) -> OpenCall | None:
    """The call of the patient for another appointment than this one. Until its end, no doctor calls the patient for this one."""
    return next((call for call in calls if call.appointment_id != appointment_id), None)


def read_kept_calls(connection: Connection) -> Iterable[Any]:
    """The calls of checked-in patients who are still kept for them, in order of the patient's record and of time."""
    query = (
        select(appointments.c.patient_id, doctors.c.id.label("doctor_id"), doctors.c.call_until, CALLED)
        .select_from(doctors)
        .join(appointments, IS_LEFT)
        .join(prestations, prestations.c.id == appointments.c.prestation_id)
        .where(appointments.c.status == AppointmentStatus.pending, IS_KEPT)
    )
    return connection.execute(query.order_by(appointments.c.patient_id, CALLED, doctors.c.id))
