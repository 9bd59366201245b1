"""The scripted day of the demonstration and a small generated day, on the real application and database, without Temporal."""

from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
import pytest
from sqlalchemy import Connection

from patient_visit_engine.api.app import create_app
from patient_visit_engine.cli.demo import hospital
from patient_visit_engine.cli.demo.scripted_day import scripted_plan
from patient_visit_engine.cli.replay.driver import Driver, Pace
from patient_visit_engine.cli.replay.generated_day import DayOptions
from patient_visit_engine.cli.replay.generated_plan import build_generated_plan
from patient_visit_engine.cli.replay.lost_patients import find_lost_patients
from patient_visit_engine.cli.replay.plan import ReplayPlan
from patient_visit_engine.cli.replay.staff_actions import CALLS
from patient_visit_engine.cli.replay.staff_driver import StaffDriver
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.storage import tables
from patient_visit_engine.storage.bulk_master_data import add_missing
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import SECRET, Clock, LedgerVisits, settings_with
from tests.support.builders import CALENDAR, DAY


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application at noon, on an empty database."""
    with ExitStack() as stack:
        clock = Clock()
        visits = LedgerVisits(SqlLedger(database), clock)
        app = create_app(settings_with(), database, visits, visits, now=clock)
        stack.callback(app.dependencies.sessions.close)
        stack.callback(app.dependencies.authentication.close)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            yield client


async def play(client: httpx.AsyncClient, plan: ReplayPlan, *, feed: bool) -> tuple[ReplayTally, list[int]]:
    """Play the plan as fast as it goes. Returns the counts and the lost patients."""
    tokens = Tokens(settings_with(), SECRET, {doctor: name for doctor, (name, _) in plan.doctors.items()})
    pace = Pace(1e6, 4, 0, 0.0)
    driver = Driver(client, tokens, plan, pace, 7)
    if feed:
        await driver.feed(lambda _count: None)
    staff = StaffDriver(driver.sender, tokens, plan, pace, 7, driver.tally)
    await staff.run_actions(lambda _tally: None)
    return driver.tally, await find_lost_patients(driver.sender, tokens, staff.patient_ids())


async def test_small_generated_day_has_no_faults(client: httpx.AsyncClient, database: Database) -> None:
    plan = build_generated_plan(DayOptions(doctors=4, desks=2, patients=30), DAY, CALENDAR, 7)

    tally, lost = await play(client, plan, feed=True)

    waits = sum(bool(action.body and action.body.get("wait")) for action in plan.actions)
    assert (tally.errors.total(), tally.skipped, lost) == (0, 0, [])
    assert tally.refused == {"patient_in_consultation": waits}
    assert (await database.read(audit)).passed


async def test_demonstration_shows_every_command(client: httpx.AsyncClient, database: Database) -> None:
    def add_hospital(connection: Connection) -> None:
        add_missing(connection, tables.patients, hospital.patients(), ())
        add_missing(connection, tables.doctors, hospital.doctors(), ())
        add_missing(connection, tables.prestations, hospital.prestations(), ())
        add_missing(connection, tables.appointments, hospital.appointments(DAY, CALENDAR), ())

    await database.write(add_hospital)
    plan = scripted_plan(DAY, CALENDAR)

    tally, _lost = await play(client, plan, feed=False)

    assert set(tally.commands) == set(CALLS) - {"walk in as new patient"}
    assert (tally.errors.total(), tally.skipped) == (0, 0)
    assert tally.refused == {"patient_in_consultation": 1}
    assert (await database.read(audit)).passed
