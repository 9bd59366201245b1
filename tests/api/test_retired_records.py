"""A retired record of a merged person: commands and reads under its id are about the survivor."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.commands import patient_of
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
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


NAMED = {
    "patient_name": JOHN_DOE.name,
    "family_name": "Doe",
    "birth_date": JOHN_DOE.birth_date,
    "record_number": JOHN_DOE.record_number,
}


async def test_worklist_and_board_show_the_survivor(merged: ApiDriver) -> None:
    doctor = await merged.doctor()
    started = await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    await (await merged.staff("reception")).post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    await (await merged.doctor(DR_OKAFOR.id)).post(f"/api/appointments/{OF_RETIRED.id}/wait")

    items = (await merged.read_worklist("", DR_OKAFOR.id))["items"]
    board = (await doctor.get("/api/board")).json()

    assert len(items) == 5
    shown = {"patient_id": SURVIVOR, **NAMED}
    assert all(item | shown == item for item in items)
    assert {(item["patient"]["state"], item["patient"]["position"]) for item in items} == {("in_consultation", 1)}
    [on_board] = board["items"]
    assert on_board | shown == on_board
    assert on_board["consultations"][0]["consultation_id"] == started.json()["id"]
    assert [place["appointment_id"] for place in on_board["checked_in"]] == [MARIA_CARDIOLOGY.id]
    assert [place["appointment_id"] for place in on_board["waiting"]] == [OF_RETIRED.id]


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("silva", 5),
        ("Silva Maria okafor", 2),
        ("doe", 5),
        # One word of each record. No paper has both.
        ("john silva", 0),
        ("silva nobel", 0),
    ],
)
async def test_worklist_is_searched_by_words_of_any_record(merged: ApiDriver, search: str, count: int) -> None:
    listed = await merged.read_worklist(f"?q={search}")

    assert (len(listed["items"]), listed["total"]) == (count, count)
    assert {item["patient_name"] for item in listed["items"]} <= {JOHN_DOE.name}


async def test_reserved_survivor_is_reserved_under_each_id(merged: ApiDriver) -> None:
    doctor, okafor = await merged.doctor(), await merged.doctor(DR_OKAFOR.id)
    started = await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    await okafor.post(f"/api/appointments/{OF_RETIRED.id}/wait")
    await doctor.post(f"{started.headers['location']}/complete")

    items = (await merged.read_worklist())["items"]
    board = (await doctor.get("/api/board")).json()["items"]
    visits = [(await doctor.get(f"/api/patients/{number}/visit")).json() for number in (SURVIVOR, RETIRED)]
    refused = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))

    assert {item["patient"]["state"] for item in items} == {"reserved"}
    assert [item["state"] for item in (*board, *visits)] == ["reserved"] * 3
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_reserved")


async def test_visit_of_retired_record_is_the_survivors(api: ApiDriver) -> None:
    reception, supervisor = await api.staff("reception"), await api.staff("supervisor")
    # Before the merge, so the timeline has entries of both records.
    await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    await api.database.write(make_one_person, SURVIVOR, RETIRED)
    await (await api.doctor()).post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))

    visits = [(await supervisor.get(f"/api/patients/{number}/visit")).json() for number in (SURVIVOR, RETIRED)]
    trackings = [(await supervisor.get(f"/api/patients/{number}/trackings")).json() for number in (SURVIVOR, RETIRED)]

    assert visits[0] == visits[1]
    assert trackings[0] == trackings[1]
    visit = visits[1]
    assert (visit["patient_id"], visit["patient"]["id"], visit["patient"]["name"]) == (SURVIVOR, SURVIVOR, "John Doe")
    assert visit["holder"]["appointment_id"] == JOHN_CARDIOLOGY.id
    assert [entry["event"] for entry in visit["timeline"]] == ["checked_in", "started"]
    assert "visit%2F123%2F" in visit["temporal_url"]
    shown = [(item["appointment_id"], item["patient_id"]) for item in trackings[1]["items"]]
    assert shown == [(MARIA_CARDIOLOGY.id, SURVIVOR), (JOHN_CARDIOLOGY.id, SURVIVOR)]


async def test_screens_show_first_of_two_exclusive_consultations(api: ApiDriver) -> None:
    """Both records were in an exclusive consultation when they became one person."""
    doctor = await api.doctor()
    await api.database.write(seed, OF_RETIRED)
    for consultation in (MARIA_CARDIOLOGY, JOHN_DERMATOLOGY):
        with_doctor = await api.doctor(consultation.doctor_id)
        assert (await with_doctor.post("/api/consultations", json=start_body(consultation))).status_code == 201
    await api.database.write(drop_rule_of_exclusive_consultations)
    await api.database.write(make_one_person, SURVIVOR, RETIRED)

    visit = (await doctor.get(f"/api/patients/{RETIRED}/visit")).json()
    items = (await api.read_worklist())["items"]
    [on_board] = (await doctor.get("/api/board")).json()["items"]
    refused = await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))

    first = MARIA_CARDIOLOGY.doctor_id
    assert visit["holder"]["doctor_id"] == first
    assert {item["patient"]["doctor_id"] for item in items} == {first}
    assert [consultation["doctor_id"] for consultation in on_board["consultations"]] == [first, DR_OKAFOR.id]
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_in_consultation")


def drop_rule_of_exclusive_consultations(connection: Connection) -> None:
    connection.exec_driver_sql("DROP INDEX one_exclusive_consultation_per_person")


async def test_retired_records_words_find_the_survivor_once(api: ApiDriver) -> None:
    service, reception = await api.staff("service"), await api.staff("reception")
    for number, first_name, birth_date in ((300, "Maria", "1988-11-23"), (301, "Mariam", "1988"), (302, "Marie", None)):
        body = {"first_name": first_name, "last_name": "Santos", "birth_date": birth_date}
        assert (await service.put(f"/api/patients/{number}", json=body)).status_code == 201
    await api.database.write(make_one_person, 302, 301)
    await api.database.write(make_one_person, 300, 302)

    async def find(**query: str) -> tuple[list[int], int]:
        body = (await reception.get("/api/patients", params=query)).json()
        return [item["id"] for item in body["items"]], body["total"]

    assert await find(q="marie") == ([300], 1)
    assert await find(q="santos mari") == ([300], 1)
    assert await find(q="mariam", birth_date="1988") == ([300], 1)
    identified: dict[str, Any] = {
        "first_name": "Maria",
        "last_name": "Santos",
        "identifiers": [{"system": "urn:mrn", "value": "7"}],
    }
    assert (await service.put("/api/patients/300", json=identified)).status_code == 200
    assert await find(identifier="urn:mrn|7", q="mariam santos", birth_date="1988") == ([300], 1)
    assert await find(identifier="urn:mrn|7", q="mariam marie") == ([], 0)
    assert await find() == ([123, 124, 300], 3)
