"""PostgreSQL only: many writers of all kinds on a few rows. No transaction fails, and the audit passes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from patient_visit_engine.storage.bulk_master_data import PatientRow, add_missing
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.master_data.appointments import (
    AppointmentPut,
    NotReplaceableError,
    OpenInVisitError,
    write_appointment,
)
from patient_visit_engine.storage.master_data.doctors import DoctorPut, put_doctor
from patient_visit_engine.storage.master_data.patients import PatientPut, put_patient
from patient_visit_engine.storage.master_data.prestations import PrestationInUseError, PrestationPut, put_prestation
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.appointment import Appointment
from tests.support.builders import (
    CARDIOLOGY,
    DAY,
    DR_AMRANI,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    PATIENTS,
    Doctor,
    Patient,
    Prestation,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_change, a_completion, a_release, a_start
from tests.support.ledger import LedgerDriver, column

ROUNDS = 20
STARTED = [
    an_appointment(doctor, number=number, patient=patient)
    for number, (patient, doctor) in enumerate([(p, d) for p in PATIENTS for d in (DR_AMRANI, DR_SMITH)], 1)
]
MOVED = [an_appointment(DR_AMRANI, number=5), an_appointment(DR_SMITH, number=6, patient=MARIA_SILVA)]
Round = Callable[[int], Awaitable[object]]


class Storm:
    """The writers of the storm. Each method is one round of one writer, with the round's number."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.moves = 0

    def start(self, appointment: Appointment) -> Round:
        """Start the appointment. When that is granted, release it, and complete it in the last round."""
        ledger = LedgerDriver(self._database, patient_id=appointment.patient_id)

        async def run_round(number: int) -> None:
            answer = await ledger.send(a_start(appointment, f"start {appointment.id} {number}"), NOON + minutes(number))
            if answer.status != 201:
                return
            (running,) = (c for c in ledger.state.facts.in_progress if c.appointment_id == appointment.id)
            end = a_completion if number == ROUNDS - 1 else a_release
            await ledger.send(end(running, f"end {appointment.id} {number}"), NOON + minutes(number + 0.5))

        return run_round

    def put_appointment(self, name: str, appointment: Appointment, *targets: Patient) -> Round:
        """Give the appointment another time, and one of the patients in turn."""

        async def run_round(number: int) -> None:
            values = AppointmentPut(
                targets[number % len(targets)].id,
                appointment.doctor_id,
                appointment.prestation_id,
                NOON + minutes(number),
                None,
            )
            try:
                await write_appointment(self._database, PutContext(appointment.id, f"{name}/{number}", NOON), values)
            except NotReplaceableError:
                return
            except OpenInVisitError:
                change = a_change(appointment, f"{name}/{number}", scheduled_at=NOON + minutes(number))
                await LedgerDriver(self._database, patient_id=appointment.patient_id).send(change)
            self.moves += 1

        return run_round

    def put_prestation(self, prestation: Prestation) -> Round:
        """Change `exclusive` and the expected minutes."""

        async def run_round(number: int) -> None:
            changed = replace(prestation, exclusive=number % 2 == 0, expected_minutes=10 + number)
            context = PutContext(changed.id, f"prestation/{number}", NOON)
            values = PrestationPut(changed.name, changed.exclusive, changed.expected_minutes)
            with suppress(PrestationInUseError):
                await self._database.write(put_prestation, context, values)

        return run_round

    def put_doctor(self, doctor: Doctor) -> Round:
        """Change the doctor's name."""

        async def run_round(number: int) -> None:
            context = PutContext(doctor.id, f"doctor/{number}", NOON)
            await self._database.write(put_doctor, context, DoctorPut(f"Dr. {number}"), DAY)

        return run_round

    def put_patient(self, patient: Patient) -> Round:
        """Change the patient's name."""

        async def run_round(number: int) -> None:
            context = PutContext(patient.id, f"patient/{patient.id}/{number}", NOON)
            await self._database.write(put_patient, context, PatientPut(patient.first_name, f"Name {number}"))

        return run_round

    def import_patients(self, step: int) -> Round:
        """Add new patients. Two importers add the same ones, in opposite order."""

        async def run_round(number: int) -> None:
            rows: list[PatientRow] = [
                {"id": 1_000 + 20 * number + n, "first_name": "New", "last_name": "Patient"} for n in range(20)
            ]
            await self._database.write(add_missing, patients, rows[::step], ("first_name",))

        return run_round


async def run_rounds(run_round: Round) -> None:
    for number in range(ROUNDS):
        await run_round(number)


async def test_no_writer_of_storm_deadlocks(on_postgres: Database) -> None:
    await on_postgres.write(seed, *STARTED, *MOVED)
    storm = Storm(on_postgres)
    writers = [
        *map(storm.start, STARTED),
        storm.put_appointment("time", STARTED[0], JOHN_DOE),
        storm.put_appointment("there", MOVED[0], MARIA_SILVA, JOHN_DOE),
        storm.put_appointment("back", MOVED[0], JOHN_DOE, MARIA_SILVA),
        storm.put_appointment("opposite", MOVED[1], JOHN_DOE, MARIA_SILVA),
        storm.put_prestation(CARDIOLOGY),
        storm.put_doctor(DR_AMRANI),
        *map(storm.put_patient, PATIENTS),
        *map(storm.import_patients, (1, -1)),
    ]

    results = await asyncio.gather(*map(run_rounds, writers), return_exceptions=True)

    assert [result for result in results if result is not None] == []
    assert (await on_postgres.read(audit)).passed
    events = await on_postgres.read(column, "events", "name")
    assert events.count("consultation.started") > 0
    assert storm.moves > ROUNDS
