"""Reads the last call of a doctor, with the room to which the patient is called."""

from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, and_, case, exists, or_, select

from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.tables import appointments, doctors, patient_trackings, prestations, reservations
from patient_visit_engine.visit.codes import AppointmentStatus, ReservationKind
from patient_visit_engine.visit.doctor_call import DoctorCall

#: The statuses of an appointment that can still begin.
WAITING_STATUSES = (AppointmentStatus.scheduled, AppointmentStatus.confirmed, AppointmentStatus.pending)
_TRACKING, _RESERVED = patient_trackings.c, reservations.c
#: The patient came, or has left.
_IS_OVER = exists().where(
    _TRACKING.appointment_id == appointments.c.id,
    or_(_TRACKING.started_at >= appointments.c.called_at, _TRACKING.check_out_time >= appointments.c.called_at),
)
#: When the patient of the call was called.
CALLED = appointments.c.called_at
#: Something is left of the doctor's last call, in a query with the doctor and the appointment.
IS_LEFT = and_(
    appointments.c.id == doctors.c.called_appointment_id,
    appointments.c.doctor_id == doctors.c.id,
    appointments.c.status.in_(WAITING_STATUSES),
    ~_IS_OVER,
)
_IS_RESERVED = exists().where(
    _RESERVED.appointment_id == appointments.c.id,
    _RESERVED.doctor_id == doctors.c.id,
    _RESERVED.kind == ReservationKind.called.value,
)


#: The patient is kept for the call, in a query that also has the prestation.
IS_KEPT = or_(_IS_RESERVED, ~prestations.c.exclusive)


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
