"""The identifiers and the record number that a survivor shows: its own, and those of its retired records."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import events
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver
from tests.support.builders import NOON

SURVIVOR = 600
#: Their ids are in another order than their merges.
FIRST, SECOND = 602, 601
MRN, SSN = "urn:mrn", "urn:ssn"
NAMES = {"first_name": "John", "last_name": "Doe"}


async def put(api: ApiDriver, number: int, *identifiers: tuple[str, str]) -> dict[str, Any]:
    sent = [{"system": system, "value": value} for system, value in identifiers]
    answer = await (await api.staff("service")).put(f"/api/patients/{number}", json={**NAMES, "identifiers": sent})
    assert answer.status_code in (200, 201), answer.text
    record: dict[str, Any] = answer.json()
    return record


async def merge(api: ApiDriver, survivor: int, retired: int) -> None:
    supervisor = await api.staff("supervisor")
    body = {"patient_id": retired, "reason": "One person"}
    assert (await supervisor.post(f"/api/patients/{survivor}/merge", json=body)).status_code == 200


async def separate(api: ApiDriver, survivor: int, retired: int) -> None:
    supervisor = await api.staff("supervisor")
    assert (await supervisor.delete(f"/api/patients/{survivor}/merge/{retired}")).status_code == 200


async def read(api: ApiDriver, number: int) -> tuple[list[str], str | None]:
    """The values of the record's identifiers, and its record number."""
    record = (await (await api.staff("reception")).get(f"/api/patients/{number}")).json()
    return [identifier["value"] for identifier in record["identifiers"]], record["record_number"]


async def read_screens(api: ApiDriver) -> list[str | None]:
    """The record number of a checked-in survivor: in the visit, on the board and in the worklist."""
    service, reception = await api.staff("service"), await api.staff("reception")
    booked = {"doctor_id": JOHN_CARDIOLOGY.doctor_id, "prestation_id": JOHN_CARDIOLOGY.prestation_id}
    body = {**booked, "patient_id": SECOND, "scheduled_at": to_rfc3339(NOON)}
    await service.put("/api/appointments/77", json=body)
    assert (await reception.post("/api/appointments/77/check-in")).status_code == 201
    visit = (await reception.get(f"/api/patients/{SECOND}/visit")).json()
    [on_board] = (await reception.get("/api/board")).json()["items"]
    items = (await api.read_worklist())["items"]
    [listed] = [item for item in items if item["appointment_id"] == 77]
    assert (await reception.post("/api/appointments/77/check-out")).status_code == 200
    return [item["record_number"] for item in (visit["patient"], on_board, listed)]


def read_events(connection: Connection) -> list[tuple[str, str | None]]:
    """The name and the record number of each event about the survivor."""
    query = select(events.c.name, events.c.data).where(events.c.patient_id == SURVIVOR).order_by(events.c.seq)
    return [(row.name, json.loads(row.data)["record_number"]) for row in connection.execute(query)]


@pytest.mark.parametrize(
    ("named", "after", "separated"),
    [
        ([(MRN, "A")], (["A", "X", "B"], "A"), (["A", "X"], "A")),
        # The survivor's own old value of a system that is named goes.
        ([(MRN, "B")], (["X", "B"], "X"), (["X"], "X")),
        ([(MRN, "A"), (MRN, "B")], (["A", "X", "B"], "A"), (["A", "X"], "A")),
        ([(MRN, "B"), (MRN, "C")], (["C", "X", "B"], "C"), (["C", "X"], "C")),
        ([(MRN, "B"), (SSN, "Y")], (["Y", "B"], "Y"), (["Y"], "Y")),
        ([(SSN, "Y")], (["A", "Y", "B"], "A"), (["A", "Y"], "A")),
        ([], (["A", "X", "B"], "A"), (["A", "X"], "A")),
    ],
)
async def test_put_of_survivor_replaces_its_own_of_named_systems(
    api: ApiDriver, named: list[tuple[str, str]], after: tuple[list[str], str], separated: tuple[list[str], str]
) -> None:
    await put(api, SURVIVOR, (MRN, "A"), (SSN, "X"))
    await put(api, FIRST, (MRN, "B"))
    await merge(api, SURVIVOR, FIRST)

    record = await put(api, SURVIVOR, *named)

    assert ([identifier["value"] for identifier in record["identifiers"]], record["record_number"]) == after
    await separate(api, SURVIVOR, FIRST)
    assert (await read(api, SURVIVOR), await read(api, FIRST)) == (separated, (["B"], "B"))


async def test_survivor_without_number_shows_that_of_the_earliest_merge(api: ApiDriver) -> None:
    await put(api, SURVIVOR)
    await put(api, FIRST, (MRN, "F"))
    await put(api, SECOND, (MRN, "S"))
    await put(api, 603, (MRN, "INTO-FIRST"))
    await merge(api, FIRST, 603)
    api.clock.advance(minutes=1)
    await merge(api, SURVIVOR, FIRST)
    api.clock.advance(minutes=1)
    await merge(api, SURVIVOR, SECOND)

    shown = await read(api, SURVIVOR)

    assert shown == (["F", "S", "INTO-FIRST"], "F")
    assert await read_screens(api) == ["F", "F", "F"]
    await separate(api, SURVIVOR, FIRST)
    assert [(await read(api, number))[1] for number in (SURVIVOR, FIRST, SECOND)] == ["S", "F", "S"]
    # The own number comes first, and then goes again.
    await put(api, SURVIVOR, (MRN, "OWN"))
    assert await read(api, SURVIVOR) == (["OWN", "S"], "OWN")
    await put(api, SURVIVOR, (MRN, "S"))
    assert await read(api, SURVIVOR) == (["S"], "S")


async def test_events_have_the_shown_number(api: ApiDriver) -> None:
    await put(api, SURVIVOR)
    await put(api, FIRST, (MRN, "F"))
    await merge(api, SURVIVOR, FIRST)

    service = await api.staff("service")
    await service.put(f"/api/patients/{SURVIVOR}", json={"first_name": "Johnny", "last_name": "Doe"})
    await separate(api, SURVIVOR, FIRST)

    logged = await api.database.read(read_events)
    assert logged == [("patient.merged", "F"), ("patient.updated", "F"), ("patient.separated", None)]
