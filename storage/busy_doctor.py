"""The exclusive consultations that a doctor has with other patients, for the hospital's rule on busy doctors."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select

from patient_visit_engine.storage.facts import APPOINTMENT, IDENTITY_COLUMNS, PERSON, to_appointment
from patient_visit_engine.storage.row_unions import Columns, fetch_parts, union_rows
from patient_visit_engine.storage.tables import patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.facts import OtherConsultation

#: The other consultations that a decision depends on and an answer lists: the oldest ones.
MAX_OTHER_CONSULTATIONS = 5
_OLDEST = (
    select(
        patient_trackings.c.id,
        patient_trackings.c.consultation_id,
        patients.c.id.label("patient_id"),
        patient_trackings.c.started_at,
        *IDENTITY_COLUMNS,
    )
    .join(patients, patients.c.id == patient_trackings.c.person_id)
    .where(IS_RUNNING)
    .where(patient_trackings.c.exclusive)
    .where(patient_trackings.c.doctor_id == bindparam("busy_doctor_id"))
    .where(patient_trackings.c.person_id != PERSON)
    .order_by(patient_trackings.c.started_at, patient_trackings.c.id)
    .limit(MAX_OTHER_CONSULTATIONS)
)
#: The oldest exclusive consultations of a doctor with other persons. Without a doctor (NULL) there are none.
OTHER_CONSULTATIONS = select(_OLDEST.subquery())
APPOINTMENT_AND_BUSY_DOCTOR = union_rows(appointment=APPOINTMENT, other_consultation=OTHER_CONSULTATIONS)


def read_appointment_and_busy_doctor(
    connection: Connection, appointment_id: int, patient_id: int, doctor_id: int | None
) -> tuple[Appointment | None, tuple[OtherConsultation, ...]]:
    """The appointment, or None, and the doctor's exclusive consultations with other persons than the patient.

    Without a doctor (None) these are not read.
    """
    values = {"appointment_id": appointment_id, "patient_id": patient_id, "busy_doctor_id": doctor_id}
    parts = fetch_parts(connection, APPOINTMENT_AND_BUSY_DOCTOR, values)
    appointment = next(map(to_appointment, parts.get("appointment", ())), None)
    return appointment, to_other_consultations(parts.get("other_consultation", ()))


def to_other_consultations(rows: Iterable[Columns]) -> tuple[OtherConsultation, ...]:
    """The rows of `OTHER_CONSULTATIONS` as values, the oldest first."""
    return tuple(
        OtherConsultation(
            consultation_id=row["consultation_id"], patient_id=row["patient_id"], started_at=row["started_at"]
        )
        for row in sorted(rows, key=lambda row: (row["started_at"], row["id"]))
    )
