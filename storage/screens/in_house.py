"""Who is in the house: from the first arrival of the day until the check-out, or until nothing is open for the person any more."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from patient_visit_engine.storage.departures import read_departures
from patient_visit_engine.storage.expected_patients import read_expected
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.storage.tracking_conditions import IS_OPEN
from patient_visit_engine.visit.calendar import HospitalDay

TRACKING = patient_trackings.c


def read_arrivals(connection: Connection, today: HospitalDay, person_ids: set[int]) -> dict[int, datetime]:
    """Those of these persons who are in the house now, each with the first arrival among what keeps the person there."""
    first_arrival = func.min(TRACKING.check_in_time).label("arrived_at")
    open_trackings = select(TRACKING.person_id, first_arrival).where(TRACKING.person_id.in_(person_ids), IS_OPEN)
    rows = connection.execute(open_trackings.group_by(TRACKING.person_id))
    in_care = {row.person_id: row.arrived_at for row in rows}
    return in_care | read_between_services(connection, today, person_ids - in_care.keys())


def read_between_services(
    connection: Connection, today: HospitalDay, person_ids: Collection[int] | None = None
) -> dict[int, datetime]:
    """When each person came who was here today, has not left, and has another appointment today. None: of all persons.

    The day's end changes nothing: a person who was between two services at its end is here today too. Something may be open for
    them at the moment too.
    """
    if person_ids is not None and not person_ids:
        return {}
    here_today = read_departures(connection, today.date, person_ids)
    # Yesterday's appointments that have not begun are few, so they come before the trackings of yesterday.
    missed_yesterday = read_expected(connection, today.yesterday_starts_at, today.starts_at, person_ids)
    over_night = missed_yesterday - here_today.keys()
    here_yesterday = read_departures(connection, today.date - timedelta(days=1), over_night)
    arrivals = {
        person_id: last.arrived_at for person_id, last in (here_today | here_yesterday).items() if not last.is_gone
    }
    expected = read_expected(connection, today.starts_at, today.ends_at, arrivals.keys())
    return {person_id: arrivals[person_id] for person_id in expected}
