"""What one round of the sweep sends: each kind of work, and a limited number of messages at a time."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from patient_visit_engine.storage.requests import find_open_requests
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.worker import sending
from patient_visit_engine.worker.sweep import FAILED_VISITS_EVERY, LINES_EVERY, UNHANDLED_AFTER
from patient_visit_engine.workflows.visit_errors import DayClosedError
from tests.support import sweep_rows
from tests.support.builders import DAY, DAY_END, NOON, YESTERDAY, minutes
from tests.support.sweep_driver import SweepDriver
from tests.support.waiting import wait_until_async

MORE_THAN_A_PAGE = range(1_000, 1_250)
ONE_PATIENT = (2_000,)


@pytest.fixture
def patient_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that waits for a visit much longer than the test."""
    monkeypatch.setattr(sending, "SEND_TIMEOUT", timedelta(hours=1))


@pytest.fixture
def impatient_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that waits for a visit only for moments."""
    monkeypatch.setattr(sending, "SEND_TIMEOUT", timedelta(milliseconds=5))


@pytest.mark.usefixtures("patient_sender")
async def test_slow_visit_delays_no_other(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, range(1, 6))
    await driver.database.write(sweep_rows.insert_consultations, range(1, 6))
    driver.visits.silent = {1, 2, 3, 4}

    async with asyncio.TaskGroup() as tasks:
        sweep_round = tasks.create_task(driver.sweep.run_round())
        await wait_until_async(lambda: 5 in driver.visits.sent, "a message to the fifth patient", seconds=10)
        sweep_round.cancel()

    assert set(driver.visits.sent) == {1, 2, 3, 4, 5}


@pytest.mark.usefixtures("patient_sender")
async def test_sends_a_limited_number_at_a_time(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, range(1, 101))
    await driver.database.write(sweep_rows.insert_consultations, range(1, 101))
    driver.visits.block()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(driver.sweep.run_round())
        await wait_until_async(
            lambda: driver.visits.waiting.total() == sending.SIMULTANEOUS_SENDS, "waiting messages", seconds=10
        )
        driver.visits.unblock()

    assert driver.visits.most_waiting == sending.SIMULTANEOUS_SENDS
    assert Counter(driver.visits.sent) == dict.fromkeys(range(1, 101), 1)


async def test_sends_one_message_at_a_time_to_a_patient(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, range(1, 6))
    await driver.database.write(sweep_rows.insert_consultations, range(1, 6))
    await driver.database.write(sweep_rows.insert_places, range(1, 6), YESTERDAY)
    await driver.database.write(sweep_rows.insert_open_requests, range(1, 6), each=3)
    driver.visits.block()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(driver.sweep.run_round())
        await wait_until_async(lambda: driver.visits.waiting.total() == 5, "a message to each patient", seconds=10)
        driver.visits.unblock()

    assert Counter(driver.visits.sent) == dict.fromkeys(range(1, 6), 5)
    assert driver.visits.most_waiting_of_one_patient == 1


@pytest.mark.parametrize("error", [RuntimeError("Failed client connect"), ValueError("a bug")])
async def test_one_error_does_not_end_the_others(driver: SweepDriver, error: Exception) -> None:
    await driver.database.write(sweep_rows.insert_patients, range(1, 6))
    await driver.database.write(sweep_rows.insert_consultations, range(1, 6))
    await driver.database.write(sweep_rows.insert_open_requests, range(1, 6))
    driver.visits.errors = {5: error, 3: error}

    await driver.sweep.run_round()

    assert Counter(driver.visits.sent) == dict.fromkeys(range(1, 6), 2)


@pytest.mark.usefixtures("impatient_sender")
async def test_round_ends_when_no_visit_answers(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, range(1, 51))
    await driver.database.write(sweep_rows.insert_open_requests, range(1, 51), each=4)
    driver.visits.silent = set(range(1, 51))

    await driver.sweep.run_round()

    assert Counter(driver.visits.sent) == dict.fromkeys(range(1, 51), 1)
    assert Counter(driver.rescue.looked_at) == dict.fromkeys(range(1, 51), 1)


@pytest.mark.usefixtures("impatient_sender")
async def test_silent_request_hides_no_later_one(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, (1,))
    await driver.database.write(sweep_rows.insert_open_requests, (1,), each=3)
    rows = await driver.database.read(find_open_requests, driver.at, None, 10)
    first, second, third = [request.id for request in rows]
    driver.visits.silent_requests = {first}

    await driver.sweep.run_round()
    await driver.sweep.run_round()

    assert driver.visits.request_ids == [first, second, third, first]


@pytest.mark.usefixtures("impatient_sender")
async def test_answered_adopt_hides_no_request(driver: SweepDriver) -> None:
    sender = sending.MessageSender(driver.rescue, lambda: driver.at)
    driver.visits.silent_requests = {"first"}
    sent: list[str | None] = []

    def message(request_id: str | None) -> sending.VisitMessage:
        async def send() -> None:
            sent.append(request_id)
            await driver.visits.send(1, DAY, Adopt(), request_id)

        return sending.VisitMessage(1, DAY, send, request_id)

    for messages in (["first", "second"], [None], ["first", "second"]):
        await sender.send_all([message(request_id) for request_id in messages])

    assert sent == ["first", None, "second", "first"]


async def test_message_is_sent_again_after_a_rescue(driver: SweepDriver) -> None:
    driver.rescue.reason = RescueReason.foreign_workflow
    sent: list[str] = []

    async def send() -> None:
        sent.append("request")
        if len(sent) == 1:
            raise TimeoutError

    sender = sending.MessageSender(driver.rescue, lambda: driver.at)
    unrecordable = await sender.send_all([sending.VisitMessage(1, DAY, send, "request")])

    assert sent == ["request", "request"]
    assert unrecordable == []


STUCK_ROWS: dict[str, Callable[..., None]] = {
    "check-ins of yesterday": lambda connection, numbers: sweep_rows.insert_check_ins(connection, numbers, YESTERDAY),
    "lines of yesterday": lambda connection, numbers: sweep_rows.insert_places(connection, numbers, YESTERDAY),
    "expired offers": lambda connection, numbers: sweep_rows.insert_places(connection, numbers, offered_until=NOON),
    "open requests": sweep_rows.insert_open_requests,
}


@pytest.mark.parametrize("insert_stuck_rows", STUCK_ROWS.values(), ids=STUCK_ROWS)
async def test_stuck_rows_hide_no_abandoned_consultation(
    driver: SweepDriver, insert_stuck_rows: Callable[..., None]
) -> None:
    await driver.database.write(sweep_rows.insert_patients, [*MORE_THAN_A_PAGE, *ONE_PATIENT])
    await driver.database.write(sweep_rows.insert_consultations, ONE_PATIENT)
    await driver.database.write(insert_stuck_rows, MORE_THAN_A_PAGE)
    driver.visits.errors = dict.fromkeys(MORE_THAN_A_PAGE, DayClosedError())

    await driver.sweep.run_round()

    assert 2000 in driver.visits.adopted


EVERY_KIND = {**STUCK_ROWS, "consultations": sweep_rows.insert_consultations}


@pytest.mark.parametrize("insert_rows", EVERY_KIND.values(), ids=EVERY_KIND)
async def test_next_rounds_reach_rows_behind_stuck_ones(driver: SweepDriver, insert_rows: Callable[..., None]) -> None:
    await driver.database.write(sweep_rows.insert_patients, MORE_THAN_A_PAGE)
    await driver.database.write(insert_rows, MORE_THAN_A_PAGE)
    driver.visits.errors = dict.fromkeys(MORE_THAN_A_PAGE, DayClosedError())

    for _ in range(3):
        await driver.sweep.run_round()

    counts = Counter(driver.visits.sent)
    assert counts.keys() == set(MORE_THAN_A_PAGE)
    # Lines of yesterday are found twice: as lines of an earlier day, and as lines without an offer.
    assert set(counts.values()) in ({1, 2}, {2, 4})


def test_line_is_served_within_a_minute() -> None:
    longest_wait = UNHANDLED_AFTER + LINES_EVERY + sending.SEND_TIMEOUT

    assert longest_wait <= minutes(1)


async def test_failed_query_does_not_end_the_other_kinds(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, (1,))
    await driver.database.write(sweep_rows.insert_open_requests, (1,))
    await driver.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE waiting_line"))

    await driver.sweep.run_round()

    assert driver.visits.sent == [1]


async def test_carries_each_patient_over_at_an_own_moment(driver: SweepDriver) -> None:
    early, late = 60, 240
    await driver.database.write(sweep_rows.insert_patients, (early, late))
    await driver.database.write(sweep_rows.insert_check_ins, (early,))
    await driver.database.write(sweep_rows.insert_places, (late,))
    await driver.database.write(sweep_rows.insert_consultations, (late,))

    driver.at = DAY_END + minutes(1) - timedelta(milliseconds=1)
    await driver.sweep.run_round()
    before = Counter(driver.visits.sent)
    driver.at = DAY_END + minutes(1)
    await driver.sweep.run_round()
    first = Counter(driver.visits.sent) - before
    driver.at = DAY_END + minutes(4)
    await driver.sweep.run_round()
    second = Counter(driver.visits.sent) - before - first

    # The other messages are about the late time limit of the consultation.
    assert before[early] == 0
    assert first == {early: 1, late: 1}
    assert second == {early: 1, late: 3}


async def test_looks_for_failed_visits_when_others_have_ended(driver: SweepDriver) -> None:
    driver.at = DAY_END + CARRY_OVER_WITHIN
    await driver.sweep.run_round()
    driver.at = DAY_END + FAILED_VISITS_EVERY
    await driver.sweep.run_round()

    # The day that has ended is not an earlier day while its visits still end by themselves.
    assert driver.rescue.days_looked_at == [DAY, DAY + timedelta(days=1)]
