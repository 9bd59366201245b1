"""The hospital day changes under load, while processes are killed. Nothing is lost, and every doctor can continue."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from patient_visit_engine.runtime import temporal
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.names import VISIT_DAY_ATTRIBUTE
from tests.support.day_change import DayChange
from tests.support.day_change_patients import PLANS, QUIET_PLANS, DayChangePatient
from tests.support.engine import Engine, OpenEngine
from tests.support.open_rows import OpenRows, read_open_rows
from tests.support.processes import SpawnedProcess
from tests.support.staff_requests import StaffRequests
from tests.support.waiting import wait_until_async

PATIENTS = 24 * len(PLANS)
#: The least number of patients for the proof. A slow machine prepares fewer than `PATIENTS` before the change.
FEWEST_PATIENTS = 6 * len(PLANS)
#: From the start of the engine to the change: at least this long, and at most a minute longer.
LEAD = timedelta(seconds=65)
#: The change cannot be moved while an engine runs. If a slow machine has prepared too few patients, the next engine has more time.
LEADS = (LEAD, 2 * LEAD, 4 * LEAD)
#: Seconds before the change from which no further patient is prepared.
LAST_PREPARATION = 15.0
#: Patients that are prepared or finished at the same time. With more, many requests would wait longer than the engine allows.
SIMULTANEOUS = 12
#: How long the carry-over of all patients may take.
PATIENCE = 120.0


@pytest.fixture
async def prepared(open_engine: OpenEngine, alone: None) -> AsyncIterator[tuple[StaffRequests, list[DayChangePatient]]]:
    """The staff of an engine whose day changes soon, and enough patients. No offer ends during the test."""
    for lead in LEADS:
        change = DayChange.within_minutes(lead)
        engine = await open_engine(**change.settings, sweep_every="1", decision_timeout="10", offer_seconds="3600")
        staff = StaffRequests(engine)
        patients = await prepare_patients(engine, staff, change)
        if len(patients) >= FEWEST_PATIENTS:
            break
        await staff.close()
        await engine.close()

    yield staff, patients

    await staff.close()


@pytest.mark.long
@pytest.mark.timeout(1_500)
async def test_change_of_day_loses_nothing(prepared: tuple[StaffRequests, list[DayChangePatient]]) -> None:
    staff, patients = prepared
    engine, change = staff.engine, patients[0].change
    before = await read_open_rows(engine)
    assert len(patients) >= FEWEST_PATIENTS
    assert before.days == {str(change.old_day)}

    crossing = asyncio.gather(*(patient.cross() for patient in patients))
    await kill_processes(engine, change)
    await crossing
    after = await wait_for_new_day(engine, change)

    assert staff.unavailable > 0
    await check_answers(engine, staff)
    check_consultations(staff, after)
    check_lines(staff, before, after)
    await check_check_ins(engine, before)
    await check_writes(engine, change, patients, before)
    await wait_for_visits(engine, change, len(patients))
    await finish_patients(engine, patients, after)
    await check_answers(engine, staff)
    assert (await engine.database.read(audit)).violations == []


async def prepare_patients(engine: Engine, staff: StaffRequests, change: DayChange) -> list[DayChangePatient]:
    """Bring all patients into the state in which the day ends. Returns those that were ready in time."""
    slots = asyncio.Semaphore(SIMULTANEOUS)

    async def prepare(number: int) -> DayChangePatient | None:
        async with slots:
            if change.is_nearer_than(LAST_PREPARATION):
                return None
            patient = PLANS[number % len(PLANS)](number, staff, change)
            await patient.admit(engine)
            await patient.open()
            return patient

    patients = await asyncio.gather(*(prepare(number) for number in range(PATIENTS)))
    return [patient for patient in patients if patient is not None]


async def kill_processes(engine: Engine, change: DayChange) -> None:
    """Kill the worker shortly before and shortly after the change, then the API, each in the middle of the work."""
    await change.wait_until(-6)
    await restart(engine.worker)
    await wait_for_carried_over(engine, 15)
    await restart(engine.worker)
    await wait_for_carried_over(engine, 30)
    await restart(engine.api)
    await engine.wait_until_ready()


async def restart(process: SpawnedProcess) -> None:
    await asyncio.to_thread(process.kill)
    process.start()


async def wait_for_carried_over(engine: Engine, count: int) -> None:
    async def is_carried_over() -> bool:
        (row,) = await engine.rows("SELECT count(*) AS n FROM timeline WHERE event = 'carried_over'")
        return bool(row["n"] >= count)

    await wait_until_async(is_carried_over, f"{count} patients are carried over", PATIENCE)


async def wait_for_new_day(engine: Engine, change: DayChange) -> OpenRows:
    """Wait for the change, and then until everything that is open belongs to the new day."""

    async def has_only_new_day() -> OpenRows | None:
        rows = await read_open_rows(engine)
        return rows if rows.days == {str(change.new_day)} else None

    await change.wait_until(0)
    return await wait_until_async(has_only_new_day, "everything open belongs to the new day", PATIENCE)


async def check_answers(engine: Engine, staff: StaffRequests) -> None:
    """Every request has one decision. A repeat gets the same answer. No start failed."""
    assert staff.unexpected == []
    assert staff.answers.keys() == staff.requests.keys()
    assert {
        answer.status for key, answer in staff.answers.items() if staff.requests[key].path == "/api/consultations"
    } <= {200, 201, 409}
    rows = await engine.rows("SELECT decided_at, set_aside_at FROM requests")
    assert len(rows) == len(staff.requests)
    assert all(row["decided_at"] is not None and row["set_aside_at"] is None for row in rows)
    for key in list(staff.answers)[:: max(1, len(staff.answers) // 40)]:
        assert await staff.send_again(key) == staff.answers[key], key


def check_consultations(staff: StaffRequests, after: OpenRows) -> None:
    """Every consultation that was started and not completed still runs."""
    started = {body["id"] for body in staff.bodies("/consultations", 201)}
    completed = {body["id"] for body in staff.bodies("/complete", 200)}
    assert after.consultations.keys() == started - completed


def check_lines(staff: StaffRequests, before: OpenRows, after: OpenRows) -> None:
    """Every doctor who waited still waits in the same order, with the same offer, or has started."""
    started = {body["appointment_id"] for body in staff.bodies("/consultations", 201)}
    for patient, line in before.lines.items():
        expected = [place for place in line if place["appointment_id"] not in started]
        places = after.lines.get(patient, [])
        for name in ("appointment_id", "since", "offer_until"):
            assert [place[name] for place in places[: len(expected)]] == [place[name] for place in expected], patient


async def check_check_ins(engine: Engine, before: OpenRows) -> None:
    """Every check-in still stands, or became a consultation, with its first time."""
    query = "SELECT appointment_id, check_in_time FROM patient_trackings WHERE status <> 'completed' AND checked_in"
    check_in_times = {row["appointment_id"]: row["check_in_time"] for row in await engine.rows(query)}
    for appointment, row in before.check_ins.items():
        assert check_in_times[appointment] == row["check_in_time"], appointment


async def check_writes(engine: Engine, change: DayChange, patients: list[DayChangePatient], before: OpenRows) -> None:
    """One decision carried everything of a patient over. Without requests, it wrote one entry, and one event with the new ticket."""
    entries = await engine.rows("SELECT * FROM timeline WHERE id > :newest ORDER BY id", newest=before.timeline_id)
    events = await engine.rows("SELECT patient_id, name FROM events WHERE seq > :newest", newest=before.log_position)
    carried = [entry for entry in entries if entry["event"] == "carried_over"]
    quiet = {patient.id for patient in patients if isinstance(patient, QUIET_PLANS)}

    assert before.patients == {patient.id for patient in patients}
    assert sorted(entry["patient_id"] for entry in carried) == sorted(before.patients)
    assert {str(entry["visit_day"]) for entry in carried} == {str(change.new_day)}
    assert len([entry for entry in entries if entry["patient_id"] in quiet]) == len(quiet)
    of_quiet = [(event["patient_id"], event["name"]) for event in events if event["patient_id"] in quiet]
    assert sorted(of_quiet) == sorted({(patient, "patient.updated") for patient, _ in of_quiet})
    assert len(of_quiet) > 0


async def wait_for_visits(engine: Engine, change: DayChange, count: int) -> None:
    """Wait until so many visits of the old day have ended by themselves, and as many of the new day run."""
    client = await temporal.connect(engine.settings)

    async def count_visits(day: object, status: str) -> int:
        query = f"{VISIT_DAY_ATTRIBUTE} = '{day}' AND ExecutionStatus = '{status}'"
        return (await client.count_workflows(query)).count

    async def have_changed() -> bool:
        ended = await count_visits(change.old_day, "Completed"), await count_visits(change.old_day, "Running")
        return ended == (count, 0) and await count_visits(change.new_day, "Running") == count

    await wait_until_async(have_changed, f"{count} visits of the old day have ended and {count} run", PATIENCE)


async def finish_patients(engine: Engine, patients: list[DayChangePatient], after: OpenRows) -> None:
    """All holders complete. Then the first doctor in each line has an offer, and starts."""
    slots = asyncio.Semaphore(SIMULTANEOUS)

    async def finish(patient: DayChangePatient) -> None:
        async with slots:
            for consultation in after.consultations.values():
                if consultation["patient_id"] == patient.id:
                    await patient.complete(consultation["consultation_id"], consultation["doctor_id"])
            if patient.id in after.lines:
                first = after.lines[patient.id][0]["doctor_id"]
                offers = await engine.events(patient.id, "consultation.available")
                assert f"doctor.{first}" in [offer["channel"] for offer in offers]
                await patient.begin(first)

    await asyncio.gather(*(finish(patient) for patient in patients))
