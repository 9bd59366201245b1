"""A copy of the day before is restored after the change of day. Everything that was open passes to the new day, and can go on."""

import asyncio
from pathlib import Path

import pytest

from patient_visit_engine.storage.upkeep.audit import audit
from tests.e2e.test_day_change import LEAD, SIMULTANEOUS, wait_for_new_day
from tests.support.backup import engine_with_backup
from tests.support.day_change import DayChange
from tests.support.day_change_patients import (
    DayChangePatient,
    InConsultation,
    QuietAndBusy,
    QuietAndCheckedIn,
    WithGrowingLine,
)
from tests.support.engine import Engine
from tests.support.open_rows import OpenRows, read_open_rows
from tests.support.staff_requests import StaffRequests

PLANS = (InConsultation, WithGrowingLine, QuietAndBusy, QuietAndCheckedIn)
PATIENTS = 12 * len(PLANS)
#: A patient's trackings and places in line can each bring a message in one round of the sweep, and two rounds can overlap.
MESSAGES_FOR_A_PATIENT = 4


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_restore_across_days_locks_no_one_out(tmp_path: Path, alone: None, database: str) -> None:
    change = DayChange.within_minutes(LEAD)
    settings = change.settings | {"sweep_every": "2", "decision_timeout": "10", "offer_seconds": "3600"}
    async with engine_with_backup(tmp_path, database, **settings) as backup:
        engine = backup.engine
        staff = StaffRequests(engine)
        patients = await open_patients(engine, staff, change)
        before = await read_open_rows(engine)
        await asyncio.to_thread(backup.create)
        assert before.days == {str(change.old_day)}
        await wait_for_new_day(engine, change)

        await backup.stop_and_restore()
        restored = await read_open_rows(engine)
        sent_before = messages_sent(engine)
        engine.worker.start()
        engine.api.start()
        await engine.wait_until_ready()
        after = await wait_for_new_day(engine, change)
        sent = messages_sent(engine) - sent_before
        await complete_all(patients, after)
        await staff.close()

        assert restored.days == {str(change.old_day)}
        assert after.consultations.keys() == before.consultations.keys()
        assert after.check_ins.keys() == before.check_ins.keys()
        assert after.lines.keys() == before.lines.keys()
        assert sent <= MESSAGES_FOR_A_PATIENT * len(patients)
        assert staff.unexpected == []
        assert (await engine.database.read(audit)).violations == []


async def open_patients(engine: Engine, staff: StaffRequests, change: DayChange) -> list[DayChangePatient]:
    """Bring all patients into the state in which the day ends."""
    slots = asyncio.Semaphore(SIMULTANEOUS)

    async def open_patient(number: int) -> DayChangePatient:
        async with slots:
            patient = PLANS[number % len(PLANS)](number, staff, change)
            await patient.admit(engine)
            await patient.open()
            return patient

    return await asyncio.gather(*(open_patient(number) for number in range(PATIENTS)))


async def complete_all(patients: list[DayChangePatient], rows: OpenRows) -> None:
    """Every holder completes."""
    of = {patient.id: patient for patient in patients}
    for consultation in rows.consultations.values():
        patient = of[consultation["patient_id"]]
        await patient.complete(consultation["consultation_id"], consultation["doctor_id"])


def messages_sent(engine: Engine) -> int:
    """The messages that the worker's sweep has sent."""
    return engine.worker.log.read_text().count("adopt sent to visit")
