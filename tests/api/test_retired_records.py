"""A retired record of a merged person: commands and reads under its id are about the survivor."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.commands import patient_of
from tests.support.api import JOHN_CARDIOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, JOHN_DOE, MARIA_SILVA, an_appointment, seed
from tests.support.merged_records import make_one_person

#: The record of Maria Silva is retired: John Doe is the survivor.
RETIRED, SURVIVOR = MARIA_SILVA.id, JOHN_DOE.id
OF_RETIRED = an_appointment(DR_OKAFOR, number=5, patient=MARIA_SILVA)


@pytest.fixture
async def merged(api: ApiDriver) -> ApiDriver:
    """John Doe and Maria Silva are one person, with an appointment of each record for each of two doctors."""
    await api.database.write(seed, OF_RETIRED)
    await api.database.write(make_one_person, SURVIVOR, RETIRED)
    return api


def read_trackings(connection: Connection) -> list[Any]:
    tracking = patient_trackings.c
    return [*map(tuple, connection.execute(select(tracking.appointment_id, tracking.patient_id, tracking.person_id)))]


@pytest.mark.parametrize(
    ("appointment", "patient_id"),
    [(MARIA_CARDIOLOGY, RETIRED), (MARIA_CARDIOLOGY, SURVIVOR), (JOHN_CARDIOLOGY, RETIRED)],
    ids=["retired record", "survivor for an appointment of the retired record", "retired record for the survivor's"],
)
async def test_start_under_either_id_is_the_survivors(merged: ApiDriver, appointment: Any, patient_id: int) -> None:
    doctor = await merged.doctor()

    started = await doctor.post("/api/consultations", json=start_body(appointment, patient_id=patient_id))
    read = await doctor.get(started.headers["location"])
    completed = await doctor.post(f"{started.headers['location']}/complete")

    assert (started.status_code, started.json()["patient_id"]) == (201, SURVIVOR)
    assert (read.json()["patient_id"], completed.json()["patient_id"]) == (SURVIVOR, SURVIVOR)
    assert {patient_of(command) for command in merged.visits.sent} == {SURVIVOR}
    # The record is kept, so that a separation finds what was recorded under it.
    rows = await merged.database.read(read_trackings)
    assert rows == [(appointment.id, appointment.patient_id, SURVIVOR)]


async def test_start_under_another_persons_id_is_refused(merged: ApiDriver) -> None:
    supervisor, doctor = await merged.staff("supervisor"), await merged.doctor()
    await supervisor.put("/api/patients/125", json={"first_name": "Ada", "last_name": "Byron"})

    other = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY, patient_id=125))
    unknown = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY, patient_id=126))

    assert (other.status_code, other.json()["code"]) == (422, "appointment_mismatch")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_patient")
    assert merged.visits.sent == []


async def test_second_exclusive_start_under_retired_id_is_refused(merged: ApiDriver) -> None:
    await (await merged.doctor()).post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))

    refused = await (await merged.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(OF_RETIRED))

    assert (refused.status_code, refused.json()["code"]) == (409, "patient_in_consultation")


async def test_check_in_of_retired_records_appointment_is_the_survivors(merged: ApiDriver) -> None:
    reception = await merged.staff("reception")

    arrived = await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    again = await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    left = await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-out")

    assert [answer.status_code for answer in (arrived, again, left)] == [201, 200, 200]
    assert {answer.json()["patient_id"] for answer in (arrived, again, left)} == {SURVIVOR}


async def test_warning_of_busy_doctor_names_the_survivor(merged: ApiDriver) -> None:
    doctor, service = await merged.doctor(), await merged.staff("service")
    await service.put("/api/patients/125", json={"first_name": "Ada", "last_name": "Byron"})
    of_ada = an_appointment(number=6).model_copy(update={"patient_id": 125})
    await merged.database.write(seed, of_ada)
    await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))

    started = await doctor.post("/api/consultations", json=start_body(of_ada))

    assert (started.status_code, started.json()["patient_id"]) == (201, 125)
    assert [warning["patient_name"] for warning in started.json()["warnings"]] == [JOHN_DOE.name]
