"""Reads the appointments of one person on one hospital day, with their past."""

from sqlalchemy import BigInteger, Connection, Date, and_, bindparam, func, literal_column, or_, select

from patient_visit_engine.storage.facts import APPOINTMENT_ROWS, to_appointment
from patient_visit_engine.storage.past_trackings import IS_LATEST_AND_ENDED, PAST_COLUMNS, to_past_tracking
from patient_visit_engine.storage.tables import appointments, patient_trackings, patients
from patient_visit_engine.storage.tables.columns import Timestamp
from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.day_appointments import DayAppointment, DayAppointments

#: The most appointments of a patient that one call checks in or out, earliest first. No patient has so many on one day, and the list
#: travels through Temporal, which limits the size of a message.
MAX_APPOINTMENTS_OF_DAY = 100

PERSON = bindparam("person_id", type_=BigInteger())
tracked = patient_trackings.alias("tracked")
_LEFT_AT = (
    select(func.max(tracked.c.check_out_time))
    .where(
        tracked.c.person_id == PERSON,
        tracked.c.visit_day == bindparam("day", type_=Date()),
        tracked.c.outcome == literal_column(f"'{Outcome.left.value}'"),
    )
    .scalar_subquery()
)
_OF_DAY = and_(
    appointments.c.scheduled_at >= bindparam("starts_at", type_=Timestamp()),
    appointments.c.scheduled_at < bindparam("ends_at", type_=Timestamp()),
)
_TRACKED = select(tracked.c.appointment_id).where(
    tracked.c.person_id == PERSON,
    or_(tracked.c.check_out_time.is_(None), tracked.c.visit_day == bindparam("day", type_=Date())),
)
DAY_APPOINTMENTS = (
    APPOINTMENT_ROWS.add_columns(*PAST_COLUMNS, _LEFT_AT.label("left_at"))
    .outerjoin(patient_trackings, IS_LATEST_AND_ENDED)
    .where(patients.c.person_id == PERSON, or_(_OF_DAY, appointments.c.id.in_(_TRACKED)))
    .order_by(appointments.c.scheduled_at, appointments.c.id)
    .limit(MAX_APPOINTMENTS_OF_DAY)
)


def read_day_appointments(connection: Connection, person_id: int, day: DayAppointments) -> DayAppointments:
    """The person's appointments on the day of `day`, as they are now."""
    values = {"person_id": person_id, "day": day.day, "starts_at": day.starts_at, "ends_at": day.ends_at}
    rows = connection.execute(DAY_APPOINTMENTS, values).mappings().all()
    items = tuple(
        DayAppointment(appointment=to_appointment(row), past=to_past_tracking(row["id"], row)) for row in rows
    )
    return day.model_copy(update={"items": items, "left_at": rows[0]["left_at"] if rows else None})
