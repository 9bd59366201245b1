"""The exclusive consultations that a doctor has with other patients, for the hospital's rule on busy doctors."""

from sqlalchemy import Connection, bindparam, select

from patient_visit_engine.storage.facts import NameCache
from patient_visit_engine.storage.tables import doctors, patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING
from patient_visit_engine.visit.state import OtherConsultation

#: The other consultations that a decision depends on and an answer lists: the oldest ones.
MAX_OTHER_CONSULTATIONS = 5
# Without this lock, two visits on PostgreSQL could both start a consultation of the doctor, and neither would see the other.
LOCK_DOCTOR = select(doctors.c.id).where(doctors.c.id == bindparam("doctor_id")).with_for_update(key_share=True)
OTHER_CONSULTATIONS = (
    select(
        patient_trackings.c.consultation_id,
        patient_trackings.c.patient_id,
        patient_trackings.c.started_at,
        patients.c.first_name,
        patients.c.last_name,
    )
    .join(patients, patients.c.id == patient_trackings.c.patient_id)
    .where(IS_RUNNING)
    .where(patient_trackings.c.exclusive)
    .where(patient_trackings.c.doctor_id == bindparam("doctor_id"))
    .where(patient_trackings.c.person_id != bindparam("person_id"))
    .order_by(patient_trackings.c.started_at, patient_trackings.c.id)
    .limit(MAX_OTHER_CONSULTATIONS)
)


def read_other_consultations(
    connection: Connection, doctor_id: int, person_id: int, names: NameCache
) -> tuple[OtherConsultation, ...]:
    """The doctor's oldest exclusive consultations with other persons. Adds the names of the patients to `names`.

    No other exclusive start of the doctor is recorded until the end of the transaction.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(LOCK_DOCTOR, {"doctor_id": doctor_id})
    rows = connection.execute(OTHER_CONSULTATIONS, {"doctor_id": doctor_id, "person_id": person_id}).all()
    names.patients.update((row.patient_id, f"{row.first_name} {row.last_name}") for row in rows)
    return tuple(
        OtherConsultation(consultation_id=row.consultation_id, patient_id=row.patient_id, started_at=row.started_at)
        for row in rows
    )
