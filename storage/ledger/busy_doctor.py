"""The exclusive consultations that a doctor has with other patients, for the hospital's rule on busy doctors."""

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from patient_visit_engine.storage.facts import PERSON
from patient_visit_engine.storage.row_unions import Columns
from patient_visit_engine.storage.tables import patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING
from patient_visit_engine.visit.state import OtherConsultation

#: The other consultations that a decision depends on and an answer lists: the oldest ones.
MAX_OTHER_CONSULTATIONS = 5
_OLDEST = (
    select(
        patient_trackings.c.id,
        patient_trackings.c.consultation_id,
        patient_trackings.c.patient_id,
        patient_trackings.c.started_at,
        patients.c.first_name,
        patients.c.last_name,
    )
    .join(patients, patients.c.id == patient_trackings.c.patient_id)
    .where(IS_RUNNING)
    .where(patient_trackings.c.exclusive)
    .where(patient_trackings.c.doctor_id == bindparam("busy_doctor_id"))
    .where(patient_trackings.c.person_id != PERSON)
    .order_by(patient_trackings.c.started_at, patient_trackings.c.id)
    .limit(MAX_OTHER_CONSULTATIONS)
)
#: The oldest exclusive consultations of a doctor with other persons. Without a doctor (NULL) there are none.
OTHER_CONSULTATIONS = select(_OLDEST.subquery())


def to_other_consultations(rows: Iterable[Columns]) -> tuple[OtherConsultation, ...]:
    """The rows of `OTHER_CONSULTATIONS` as values, the oldest first."""
    return tuple(
        OtherConsultation(
            consultation_id=row["consultation_id"], patient_id=row["patient_id"], started_at=row["started_at"]
        )
        for row in sorted(rows, key=lambda row: (row["started_at"], row["id"]))
    )
