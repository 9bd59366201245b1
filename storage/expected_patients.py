"""Who is expected: the persons with an appointment of a time that can still begin."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import appointments, patients
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL


def read_expected(
    connection: Connection, starts_at: datetime, ends_at: datetime, person_ids: Collection[int] | None
) -> set[int]:
    """Those of these persons who have an appointment of this time that can still begin. None: of all persons."""
    if person_ids is not None and not person_ids:
        return set()
    expected = (
        select(patients.c.person_id)
        .join(appointments, appointments.c.patient_id == patients.c.id)
        .where(
            appointments.c.scheduled_at >= starts_at,
            appointments.c.scheduled_at < ends_at,
            appointments.c.status.in_(sorted(BEFORE_ARRIVAL)),
        )
    )
    if person_ids is not None:
        expected = expected.where(patients.c.person_id.in_(person_ids))
    return set(connection.scalars(expected))
