"""Which visits one step of a worker opens ahead of their appointments, on a real database with recorded visits."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, update
from structlog.testing import capture_logs
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments
from patient_visit_engine.storage.upkeep.due_appointments import find_due_appointments
from patient_visit_engine.storage.upkeep.pages import PAGE_SIZE
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.worker import opening_ahead
from patient_visit_engine.worker.opening_ahead import PAUSE_SECONDS, VisitOpener
from patient_visit_engine.worker.opening_choice import OpeningChoice, OpeningLimits
from patient_visit_engine.workflows.visit_errors import DayClosedError
from tests.support import sweep_rows
from tests.support.builders import CALENDAR, CARDIOLOGY, DAY, DR_OKAFOR, NOON, an_appointment, minutes
from tests.support.merged_records import make_one_person
from tests.support.recorded_visits import RecordedVisits
from tests.support.touched_rows import touched_rows

AHEAD = minutes(15)
SERVER_IS_AWAY = RPCError("no connection", RPCStatusCode.UNAVAILABLE, b"")


class OpenerDriver:
    """The opener of one worker at noon. An opening takes `seconds` on the test's clock, and the machine is as busy as `is_busy`."""

    def __init__(self, database: Database, *, ahead: timedelta = AHEAD, limits: OpeningLimits | None = None) -> None:
        self.visits = TimedVisits(self)
        self.is_busy = False
        self.seconds = 0.001
        self.clock = 1_000.0
        self.opener = VisitOpener(
            database,
            self.visits,
            OpeningChoice(CALENDAR, ahead, limits),
            now=lambda: NOON,
            is_busy=lambda: self.is_busy,
            monotonic=lambda: self.clock,
        )

    async def step(self) -> list[int]:
        """The patients whose visits one step opens."""
        self.visits.opened.clear()
        await self.opener.run_step()
        return list(self.visits.opened)


class TimedVisits(RecordedVisits):
    """Recorded visits of which each opening takes time."""

    def __init__(self, driver: OpenerDriver) -> None:
        super().__init__()
        self._driver = driver

    async def _receive(self, patient_id: int, *, is_silent: bool = False) -> None:
        self._driver.clock += self._driver.seconds
        await super()._receive(patient_id, is_silent=is_silent)


def schedule(connection: Connection, times: dict[int, datetime]) -> None:
    """Insert patients with one confirmed appointment each, at these times."""
    sweep_rows.insert_patients(connection, times)
    for patient, at in times.items():
        of_patient = appointments.c.patient_id == patient
        connection.execute(update(appointments).where(of_patient).values(scheduled_at=at))


async def schedule_now(database: Database, patients: Iterable[int]) -> None:
    await database.write(schedule, dict.fromkeys(patients, NOON))


async def test_opens_visits_of_near_appointments_only(database: Database) -> None:
    times = {
        1_001: NOON + minutes(10),
        1_002: NOON + timedelta(hours=3),
        1_003: NOON - minutes(30),
        1_004: NOON - timedelta(hours=2),
        1_005: NOON + timedelta(days=1),
        1_006: NOON + AHEAD,
    }
    await database.write(schedule, times)
    driver = OpenerDriver(database)

    opened, opened_later = await driver.step(), await driver.step()

    assert opened == [1_003, 1_001]
    assert opened_later == []


async def test_closed_appointments_and_checked_in_patients_open_none(database: Database) -> None:
    statuses = dict(enumerate(AppointmentStatus, 1_001))
    await schedule_now(database, [*statuses, 1_010])

    def change(connection: Connection) -> None:
        for patient, status in statuses.items():
            of_patient = appointments.c.patient_id == patient
            connection.execute(update(appointments).where(of_patient).values(status=status.value))
        sweep_rows.insert_check_ins(connection, [1_010], DAY)

    await database.write(change)

    opened = await OpenerDriver(database).step()

    assert {statuses[patient] for patient in opened} == {AppointmentStatus.scheduled, AppointmentStatus.confirmed}


async def test_retired_record_opens_the_survivors_visit(database: Database) -> None:
    await schedule_now(database, [1_001, 1_002, 1_003, 1_004])
    await database.write(sweep_rows.insert_check_ins, [1_004], DAY)
    for survivor, retired in ((1_001, 1_002), (1_003, 1_004)):
        await database.write(make_one_person, survivor, retired)

    # The second person is in the hospital already.
    assert await OpenerDriver(database).step() == [1_001]


async def test_second_appointment_opens_no_second_visit(database: Database) -> None:
    await schedule_now(database, [1_001])
    second = an_appointment(DR_OKAFOR, patient=sweep_rows.a_patient(1_001))
    row = {
        "id": second.id,
        "patient_id": second.patient_id,
        "doctor_id": second.doctor_id,
        "prestation_id": second.prestation_id,
        "scheduled_at": NOON + minutes(5),
        "status": second.status.value,
    }
    await database.write(lambda connection: connection.execute(insert(appointments).values(row)))
    driver = OpenerDriver(database)

    opened = [*await driver.step(), *await driver.step()]

    assert opened == [1_001]


async def test_moved_appointment_is_opened_at_its_new_time(database: Database) -> None:
    await database.write(schedule, {1_001: NOON + timedelta(hours=3)})
    driver = OpenerDriver(database)
    before = await driver.step()
    await database.write(lambda connection: connection.execute(update(appointments).values(scheduled_at=NOON)))

    assert (before, await driver.step()) == ([], [1_001])


@pytest.mark.parametrize("table", ["appointments", "patient_trackings"])
async def test_step_reads_no_past_years(database: Database, table: str) -> None:
    def fill_past_years(connection: Connection) -> None:
        same = {"patient_id": 1_001, "doctor_id": DR_OKAFOR.id, "prestation_id": CARDIOLOGY.id, "status": 1}
        rows = [
            same | {"id": number, "scheduled_at": NOON - timedelta(days=1, hours=number)} for number in range(5_000)
        ]
        connection.execute(insert(appointments), rows)
        sweep_rows.insert_check_ins(connection, [1_002], DAY)
        sweep_rows.insert_completed_trackings(connection, 1_003, 5_000)
        # PostgreSQL chooses an index by its statistics.
        connection.exec_driver_sql("ANALYZE")

    await schedule_now(database, [1_001, 1_002, 1_003])
    await database.write(fill_past_years)

    def count_work(connection: Connection) -> tuple[list[int], int]:
        with touched_rows(connection, table) as count_touched:
            due = find_due_appointments(connection, DAY, NOON - minutes(60), NOON + AHEAD, None, 200)
            return [row.patient_id for row in due], count_touched()

    due, touched = await database.read(count_work)

    assert due == [1_001, 1_003]
    assert touched < 500


async def test_steps_stay_within_the_limits(database: Database) -> None:
    await schedule_now(database, range(1_001, 1_101))
    driver = OpenerDriver(database)

    opened = [len(await driver.step()) for _ in range(8)]
    driver.clock += 60
    later = len(await driver.step())

    assert opened == [10, 10, 10, 10, 10, 10, 0, 0]
    assert later == 10


async def test_appointments_after_a_page_are_opened_too(database: Database) -> None:
    patients = range(1_001, 1_001 + PAGE_SIZE + 20)
    await schedule_now(database, patients)
    driver = OpenerDriver(database, limits=OpeningLimits(per_step=1_000, per_minute=1_000))

    opened = [*await driver.step(), *await driver.step()]

    assert sorted(opened) == list(patients)


async def test_busy_machine_opens_no_visit(database: Database) -> None:
    await schedule_now(database, [1_001])
    driver = OpenerDriver(database)
    driver.is_busy = True
    while_busy = await driver.step()
    driver.is_busy = False

    assert (while_busy, await driver.step()) == ([], [1_001])


async def test_unknown_load_is_a_failed_step(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await schedule_now(database, [1_001])
    driver = OpenerDriver(database)
    monkeypatch.setattr(driver.opener, "_is_busy", _raise_os_error)

    assert await driver.step() == []


def _raise_os_error() -> bool:
    raise OSError("the load cannot be read")


async def test_slow_opening_stops_the_step_and_pauses(database: Database) -> None:
    await schedule_now(database, range(1_001, 1_004))
    driver = OpenerDriver(database)
    driver.seconds = OpeningLimits().slow_seconds + 0.01
    slow = await driver.step()
    driver.seconds = 0.001
    driver.clock += PAUSE_SECONDS - 1
    in_the_pause = await driver.step()
    driver.clock += 1

    assert (slow, in_the_pause, await driver.step()) == ([1_001], [], [1_002, 1_003])


async def test_server_that_is_away_is_logged_once(database: Database) -> None:
    await schedule_now(database, range(1_001, 1_004))
    driver = OpenerDriver(database)
    driver.visits.errors = dict.fromkeys(range(1_001, 1_004), SERVER_IS_AWAY)
    with capture_logs() as lines:
        first = await driver.step()
        in_the_pause = await driver.step()
        driver.clock += PAUSE_SECONDS
        second = await driver.step()
    driver.visits.errors.clear()
    driver.clock += PAUSE_SECONDS

    assert (first, in_the_pause, second) == ([1_001], [], [1_001])
    assert [(line["event"], line["fault"]) for line in lines] == [("visits are not opened ahead", "RPCError")]
    assert await driver.step() == [1_001, 1_002, 1_003]


async def test_silent_server_does_not_stop_the_worker(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening_ahead, "OPENING_TIMEOUT_SECONDS", 0.01)
    await schedule_now(database, [1_001])
    driver = OpenerDriver(database)
    driver.visits.silent = {1_001}

    with capture_logs() as lines:
        await driver.step()

    assert [line["fault"] for line in lines] == ["TimeoutError"]


async def test_database_that_is_away_is_logged_once(database: Database) -> None:
    driver = OpenerDriver(database)
    await database.write(lambda connection: connection.exec_driver_sql("ALTER TABLE appointments RENAME TO away"))
    with capture_logs() as lines:
        for _ in range(3):
            await driver.step()
            driver.clock += PAUSE_SECONDS
    await database.write(lambda connection: connection.exec_driver_sql("ALTER TABLE away RENAME TO appointments"))
    await schedule_now(database, [1_001])

    assert [line["event"] for line in lines] == ["visits are not opened ahead"]
    assert await driver.step() == [1_001]


@pytest.mark.parametrize(("load", "is_busy"), [(1.9, False), (2.1, True)])
def test_machine_is_busy_above_one_process_per_processor(
    load: float, is_busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))

    assert opening_ahead.is_machine_busy() == is_busy


async def test_visit_that_has_ended_is_not_opened_again(database: Database) -> None:
    await schedule_now(database, [1_001, 1_002])
    driver = OpenerDriver(database)
    driver.visits.errors = {1_001: DayClosedError()}

    assert (await driver.step(), await driver.step()) == ([1_001, 1_002], [])


async def test_worker_with_zero_opens_no_visit(database: Database) -> None:
    await schedule_now(database, [1_001])
    driver = OpenerDriver(database, ahead=timedelta(0))

    async with asyncio.timeout(10):
        await driver.opener.run()

    assert await driver.step() == []
