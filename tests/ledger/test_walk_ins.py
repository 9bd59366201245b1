"""Walk-ins of new patients in the ledger, when something changes at the same moment."""

import json

from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.storage.tables import doctors, patient_search_words, patients
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.patient_commands import OpenWalkIn
from tests.support.builders import DR_AMRANI, NOON, PATIENTS, Patient, an_appointment, seed
from tests.support.commands import a_walk_in
from tests.support.ledger import LedgerDriver, column

NORA = Patient(2**41, "Nora", "Field")
NAMES = json.dumps({"first_name": "Nora", "last_name": "Field", "birth_date": None, "sex": None})


async def a_new_patient(database: Database, key: str) -> OpenWalkIn:
    """The walk-in of Nora, with her names in the row of the request."""
    command = a_walk_in(an_appointment(number=2**41, patient=NORA), key)
    await database.write(lambda connection: open_request(connection, command.request, NOON, material=NAMES))
    return command


async def set_active(database: Database, *, active: bool) -> None:
    is_amrani = doctors.c.id == DR_AMRANI.id
    await database.write(lambda connection: connection.execute(update(doctors).where(is_amrani).values(active=active)))


def read_new_patients(connection: Connection) -> list[int]:
    """The ids of all patients and words that `seed` has not inserted."""
    ids = [*connection.scalars(select(patients.c.id)), *connection.scalars(select(patient_search_words.c.patient_id))]
    return sorted(set(ids) - {patient.id for patient in PATIENTS})


async def test_refused_walk_in_leaves_no_patient(database: Database) -> None:
    await database.write(seed)
    visit = LedgerDriver(database, patient_id=NORA.id)
    refused_command, granted_command = (
        await a_new_patient(database, "refused"),
        await a_new_patient(database, "granted"),
    )
    await set_active(database, active=False)

    refused = await visit.send(refused_command)
    after_refusal = await database.read(read_new_patients)
    await set_active(database, active=True)
    granted = await visit.send(granted_command)

    assert (refused.status, refused.body["code"]) == (409, "doctor_inactive")
    assert after_refusal == []
    assert granted.status == 201
    assert await database.read(read_new_patients) == [NORA.id]
    assert await database.read(column, "requests", "material") == [None, None]
    assert (await database.read(audit)).passed
