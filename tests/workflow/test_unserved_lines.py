"""The sweep finds a line that waits for a free patient, and the visit then makes the offer."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, update

from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.state import Limits
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS, DR_CHRAIBI
from tests.support.visits import VisitDriver

A_MINUTE = timedelta(minutes=1)


def end_consultation(connection: Connection, at: datetime) -> None:
    """End the consultation in the database only, as after a restore from a backup."""
    is_running = patient_trackings.c.status == "in_progress"
    ended = {"status": "completed", "outcome": "released", "check_out_time": at}
    connection.execute(update(patient_trackings).where(is_running).values(ended))


async def wait_for_patient_who_is_freed_unnoticed(visits: VisitDriver, *, with_visit: bool) -> None:
    """Two doctors wait for a patient whose consultation has ended without the visit."""
    await visits.start(DR_AMRANI)
    await visits.start(DR_BENNIS, wait=True)
    await visits.wait(DR_CHRAIBI)
    if not with_visit:
        await visits.workflow().terminate("by mistake")
    await visits.database.write(end_consultation, to_millisecond(datetime.now(UTC)))


@pytest.mark.parametrize("with_visit", [True, False], ids=["running", "terminated"])
async def test_sweep_serves_line_of_a_free_patient(visits: VisitDriver, with_visit: bool) -> None:
    await wait_for_patient_who_is_freed_unnoticed(visits, with_visit=with_visit)
    before = await visits.events("consultation.available")

    await visits.sweep(datetime.now(UTC) + A_MINUTE)
    offers = await visits.wait_for_events("consultation.available")
    accepted = await visits.start(DR_BENNIS)

    assert before == []
    assert [offer.channel for offer in offers] == [f"doctor.{DR_BENNIS}"]
    assert accepted.status == 201


async def test_sweep_offers_to_the_whole_line(visits: VisitDriver) -> None:
    visits.set_limits(Limits(offer=timedelta(0)))
    await wait_for_patient_who_is_freed_unnoticed(visits, with_visit=True)

    await visits.sweep(datetime.now(UTC) + A_MINUTE)

    offers = await visits.wait_for_events("consultation.available")
    assert [offer.channel for offer in offers] == [f"doctor.{DR_BENNIS}", f"doctor.{DR_CHRAIBI}"]


async def test_sweep_leaves_a_served_line_alone(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.start(DR_BENNIS, wait=True)
    await visits.complete(started)
    before = len((await visits.workflow().fetch_history()).events)

    await visits.sweep(datetime.now(UTC) + timedelta(seconds=30))

    assert len((await visits.workflow().fetch_history()).events) == before
