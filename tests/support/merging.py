"""Two patient records and their visits, for merges in the real ledger."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, insert, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.person_records import read_record
from patient_visit_engine.storage.tables import patient_trackings, patients
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.commands import Command, with_patient
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.record import new_person
from tests.support.builders import CARDIOLOGY, DOCTORS, X_RAY, Patient, an_appointment, seed
from tests.support.commands import a_merge, a_separation
from tests.support.ledger import LedgerDriver, StoredAnswer


def a_patient(number: int) -> Patient:
    """A patient with this id."""
    return Patient(number, "Ann", f"Case {number}")


def insert_records(connection: Connection, people: Iterable[Patient]) -> None:
    """Insert the patients, each with an exclusive appointment and an X-ray with every doctor."""
    seed(connection)
    for patient in people:
        connection.execute(insert(patients).values(**asdict(patient)))
        booked = [
            an_appointment(doctor, patient=patient, prestation=prestation)
            for doctor in DOCTORS
            for prestation in (CARDIOLOGY, X_RAY)
        ]
        seed(connection, *booked)


class RecordDriver(LedgerDriver):
    """The ledger driver of one record. It follows a retired record to its survivor, as the visit client does."""

    def __init__(self, database: Database, patient: Patient, **options: Any) -> None:
        super().__init__(database, patient_id=patient.id, **options)
        self.patient = patient

    async def follow(self, command: Command) -> StoredAnswer:
        """Send the command, and send it again to the visit of the person to whom it belongs."""
        driver: LedgerDriver = self
        while True:
            recorded = await driver.record(driver.entry(command))
            if (person_id := new_person(command, recorded)) is None:
                return await driver.send(command)
            driver = LedgerDriver(self.database, patient_id=person_id)
            command = with_patient(command, person_id)

    async def merge(self, retired: Patient, key: str = "") -> StoredAnswer:
        """Merge the other record into this one."""
        seen = await self.seen(retired)
        return await self.follow(a_merge(seen, key or f"{retired.id} into {self.patient.id}", into=self.patient.id))

    async def separate(self, retired: Patient, key: str = "") -> StoredAnswer:
        """Separate the other record from this one."""
        seen = await self.seen(retired)
        return await self.follow(a_separation(seen, key or f"{retired.id} again", patient_id=self.patient.id))

    async def seen(self, patient: Patient) -> SeenRecord:
        """The record as the API reads it."""
        record = await self.database.read(read_record, patient.id)
        assert record is not None
        return record

    def appointment_with(self, doctor: Any, prestation: Any = CARDIOLOGY) -> Appointment:
        """This record's appointment with the doctor, as it was inserted."""
        return an_appointment(doctor, patient=self.patient, prestation=prestation)


def marks(connection: Connection) -> list[tuple[int, str, bool]]:
    """Person, status and mark of each exclusive consultation, in order of start."""
    row = patient_trackings.c
    query = select(row.person_id, row.status, row.merged).where(row.exclusive, row.consultation_id.is_not(None))
    return [tuple(each) for each in connection.execute(query.order_by(row.id))]


def persons(connection: Connection, *people: Patient) -> list[int]:
    """The person of each of these records."""
    person_of = {row.id: row.person_id for row in connection.execute(select(patients.c.id, patients.c.person_id))}
    return [person_of[patient.id] for patient in people]
