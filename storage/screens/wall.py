"""What a screen in the waiting room shows: tickets that are called, and how many patients wait. No name and no id of a patient."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from patient_visit_engine.storage.doctor_calls import CALLED, IS_KEPT, IS_LEFT
from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    log_head,
    patient_trackings,
    patients,
    prestations,
)
from patient_visit_engine.storage.tickets import read_tickets
from patient_visit_engine.storage.tracking_conditions import IS_PENDING
from patient_visit_engine.visit.calendar import HospitalDay, to_rfc3339
from patient_visit_engine.wire import screens

#: The calls that a screen shows at most: the newest ones.
MAX_CALLS = 20
#: The doctors with waiting patients that a screen shows at most, in order of their names.
MAX_DOCTORS = 200


def read_wall(connection: Connection, today: HospitalDay, now: datetime) -> screens.Wall:
    """The open calls and the waiting patients. Call it in one read transaction."""
    seq, epoch = connection.execute(select(log_head.c.seq, log_head.c.epoch)).one()
    return {
        "date": today.date.isoformat(),
        "called": _read_called(connection, today, now),
        "waiting": _read_waiting(connection, today),
        "cursor": f"{epoch}-{seq}",
    }


def _read_called(connection: Connection, today: HospitalDay, now: datetime) -> list[screens.CalledTicket]:
    calls = connection.execute(
        select(
            patients.c.person_id, CALLED.label("called_at"), doctors.c.call_until, shown_room(today.date).label("room")
        )
        .select_from(doctors)
        .join(appointments, IS_LEFT)
        .join(patients, patients.c.id == appointments.c.patient_id)
        .join(prestations, prestations.c.id == appointments.c.prestation_id)
        .where(doctors.c.call_until > now, IS_KEPT)
        .order_by(CALLED.desc(), doctors.c.id)
    ).all()
    tickets = read_tickets(connection, today.date, {call.person_id for call in calls})
    # The calls without a ticket are dropped first. Otherwise they would take the places of others.
    shown = [call for call in calls if call.person_id in tickets][:MAX_CALLS]
    return [
        {
            "ticket": tickets[call.person_id],
            "room": call.room,
            "since": to_rfc3339(call.called_at),
            "until": to_rfc3339(call.call_until),
        }
        for call in shown
    ]


def _read_waiting(connection: Connection, today: HospitalDay) -> list[screens.WaitingCount]:
    room = shown_room(today.date)
    persons = func.count(patient_trackings.c.person_id.distinct())
    rows = connection.execute(
        select(doctors.c.name, room.label("room"), persons.label("patients"))
        .join(patient_trackings, patient_trackings.c.doctor_id == doctors.c.id)
        .where(IS_PENDING)
        .group_by(doctors.c.id, doctors.c.name, room)
        .order_by(doctors.c.name, doctors.c.id)
        .limit(MAX_DOCTORS)
    )
    return [{"doctor": row.name, "room": row.room, "count": row.patients} for row in rows]
