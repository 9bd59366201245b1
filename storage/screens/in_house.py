"""Who is in the house: from the first arrival of the day until the check-out, or until nothing is open for the person any more."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import appointments, patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import HAS_ENDED, IS_OPEN
from patient_visit_engine.visit.calendar import HospitalDay
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, Outcome

TRACKING = patient_trackings.c
#: After these outcomes the person has left the house.
GONE = (Outcome.left, Outcome.not_seen)


def read_present(connection: Connection, today: HospitalDay, person_ids: set[int]) -> set[int]:
    """Those of these persons who are in the house now."""
    open_trackings = select(TRACKING.person_id).where(TRACKING.person_id.in_(person_ids), IS_OPEN)
    in_care = set(connection.scalars(open_trackings))
    return in_care | read_between_services(connection, today, person_ids - in_care).keys()


def read_between_services(
    connection: Connection, today: HospitalDay, person_ids: Collection[int] | None = None
) -> dict[int, datetime]:
    """When each person came who was here today, has not left, and has another appointment today. None: of all persons.

    Something may be open for them at the moment too.
    """
    if person_ids is not None and not person_ids:
        return {}
    ended = select(TRACKING.person_id, TRACKING.outcome, TRACKING.check_in_time).where(
        HAS_ENDED, TRACKING.visit_day == today.date, TRACKING.outcome != Outcome.mistaken.value
    )
    if person_ids is not None:
        ended = ended.where(TRACKING.person_id.in_(person_ids))
    arrivals: dict[int, datetime] = {}
    outcomes: dict[int, str] = {}
    for row in connection.execute(ended.order_by(TRACKING.check_out_time, TRACKING.id)):
        arrivals[row.person_id] = min(row.check_in_time, arrivals.get(row.person_id, row.check_in_time))
        outcomes[row.person_id] = row.outcome
    staying = {person_id for person_id, outcome in outcomes.items() if outcome not in GONE}
    expected = _read_expected(connection, today, staying) if staying else set()
    return {person_id: arrivals[person_id] for person_id in expected}


def _read_expected(connection: Connection, today: HospitalDay, person_ids: set[int]) -> set[int]:
    """Those of these persons who have an appointment of today that can still begin."""
    expected = (
        select(patients.c.person_id)
        .join(appointments, appointments.c.patient_id == patients.c.id)
        .where(
            patients.c.person_id.in_(person_ids),
            appointments.c.scheduled_at >= today.starts_at,
            appointments.c.scheduled_at < today.ends_at,
            appointments.c.status.in_(sorted(BEFORE_ARRIVAL)),
        )
    )
    return set(connection.scalars(expected))
