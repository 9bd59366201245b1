"""Merging and separating patients over HTTP: rights, refusals, idempotency, and what a retired id does then."""

from datetime import date
from typing import Any
from unittest.mock import create_autospec

import httpx
import pytest
from sqlalchemy import select
from temporalio.client import Client

from patient_visit_engine.storage.tables import requests, timeline
from patient_visit_engine.visit.commands import Command, patient_of
from patient_visit_engine.visit.patient_commands import MergePatients, SeparatePatients
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.visit_client import MAX_MOVES, VisitClient
from patient_visit_engine.workflows.visit_errors import PatientMovedError
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import CALENDAR, DAY, DR_OKAFOR, JOHN_DOE, MARIA_SILVA
from tests.support.databases import LATER_ON_POSTGRES, database_on

database = database_on("sqlite", LATER_ON_POSTGRES)

MERGE = f"/api/patients/{JOHN_DOE.id}/merge"
SEPARATE = f"{MERGE}/{MARIA_SILVA.id}"
OF_MARIA = {"patient_id": MARIA_SILVA.id, "reason": "Same birth date and address"}
MERGED = {"patient_id": JOHN_DOE.id, "retired": [MARIA_SILVA.id], "both_in_consultation": False}


async def merge(api: ApiDriver, role: str = "supervisor", **headers: str) -> httpx.Response:
    """Merge Maria Silva's record into John Doe's."""
    return await (await api.staff(role)).post(MERGE, json=OF_MARIA, headers=headers)


def status_and_code(answer: httpx.Response) -> tuple[int, Any]:
    """The status and the problem's code."""
    return answer.status_code, answer.json().get("code")


async def test_merges_and_ends_the_retired_visit(api: ApiDriver) -> None:
    answer = await merge(api, "service")

    assert (answer.status_code, answer.json()) == (200, MERGED)
    assert api.visits.retired == [(MARIA_SILVA.id, DAY)]


async def test_same_merge_again_has_same_answer(api: ApiDriver) -> None:
    key = {"Idempotency-Key": "merge-1"}
    first = await merge(api, **key)

    again, with_other_key = await merge(api, **key), await merge(api)

    assert first.content == again.content == with_other_key.content
    other = await (await api.staff("supervisor")).post(MERGE, json=OF_MARIA | {"reason": "x"}, headers=key)
    assert status_and_code(other) == (422, "idempotency_key_reused")


async def test_key_of_start_under_retired_id_has_its_answer(api: ApiDriver) -> None:
    doctor, key = await api.doctor(), {"Idempotency-Key": "start-1"}
    first = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY), headers=key)
    await merge(api)

    again = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY), headers=key)

    assert (again.status_code, again.content) == (201, first.content)
    completed = await doctor.post(f"{first.headers['location']}/complete")
    assert (completed.status_code, completed.json()["patient_id"]) == (200, JOHN_DOE.id)


async def test_retired_id_acts_on_survivor(api: ApiDriver) -> None:
    await merge(api)
    doctor, okafor = await api.doctor(), await api.doctor(DR_OKAFOR.id)

    started = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))
    refused = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))

    assert (started.status_code, started.json()["patient_id"]) == (201, JOHN_DOE.id)
    assert status_and_code(refused) == (409, "patient_in_consultation")
    shown = (await doctor.get(f"/api/patients/{MARIA_SILVA.id}/visit")).json()
    assert (shown["patient_id"], [entry["event"] for entry in shown["timeline"]][:2]) == (
        JOHN_DOE.id,
        ["merged", "started"],
    )


@pytest.mark.parametrize(
    ("path", "other", "expected"),
    [
        (MERGE, JOHN_DOE.id, (422, "same_patient")),
        ("/api/patients/99/merge", 99, (422, "same_patient")),
        (MERGE, 99, (404, "unknown_patient")),
        ("/api/patients/99/merge", MARIA_SILVA.id, (404, "unknown_patient")),
    ],
)
async def test_merge_is_refused(api: ApiDriver, path: str, other: int, expected: tuple[int, str]) -> None:
    before = await api.all_rows()

    answer = await (await api.staff("service")).post(path, json={"patient_id": other, "reason": "x"})

    assert status_and_code(answer) == expected
    assert await api.all_rows() == before


async def test_command_has_the_retired_id_of_the_path(api: ApiDriver) -> None:
    await merge(api)
    await (await api.staff("service")).put("/api/patients/125", json={"last_name": "Byron"})
    path = f"/api/patients/{MARIA_SILVA.id}/merge"

    supervisor = await api.staff("supervisor")
    answers = [
        await supervisor.post(path, json={"patient_id": 125, "reason": "x"}),
        await supervisor.delete(f"{path}/125"),
    ]

    assert [(answer.status_code, answer.json()["patient_id"]) for answer in answers] == [(200, JOHN_DOE.id)] * 2
    # A separation of the path's record can come first. Then the other record is not John Doe's.
    sent = [
        (command.patient_id, command.record_id)
        for command in api.visits.sent
        if isinstance(command, MergePatients | SeparatePatients)
    ]
    assert sent == [(JOHN_DOE.id, None), *[(JOHN_DOE.id, MARIA_SILVA.id)] * 2]


async def test_survivor_into_its_retired_record_is_a_cycle(api: ApiDriver) -> None:
    await merge(api)

    answer = await (await api.staff("service")).post(
        f"/api/patients/{MARIA_SILVA.id}/merge", json={"patient_id": JOHN_DOE.id, "reason": "x"}
    )

    assert status_and_code(answer) == (409, "merge_cycle")


@pytest.mark.parametrize("reason", ["", "x" * 1_001])
async def test_reason_has_1_to_1000_characters(api: ApiDriver, reason: str) -> None:
    answer = await (await api.staff("service")).post(MERGE, json=OF_MARIA | {"reason": reason})

    assert status_and_code(answer) == (422, "invalid")


async def test_reason_is_in_the_database_only(api: ApiDriver) -> None:
    reason = "é" * 1_000
    answer = await (await api.staff("service")).post(MERGE, json=OF_MARIA | {"reason": reason})

    assert answer.status_code == 200
    stored = await api.database.read(
        lambda c: (list(c.scalars(select(timeline.c.reason))), list(c.scalars(select(requests.c.reason))))
    )
    assert stored == ([reason], [reason])
    # What travels through Temporal.
    assert [reason in command.model_dump_json() for command in api.visits.sent] == [False]


async def test_supervisor_separates_on_the_same_day(api: ApiDriver) -> None:
    await merge(api)
    supervisor, doctor = await api.staff("supervisor"), await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    in_use = await supervisor.delete(SEPARATE)
    await doctor.post(f"{started.headers['location']}/complete")

    separated = await supervisor.delete(SEPARATE, headers={"Idempotency-Key": "separate"})

    assert status_and_code(in_use) == (409, "merge_in_use")
    assert (separated.status_code, separated.json()) == (
        200,
        {"patient_id": JOHN_DOE.id, "retired": [MARIA_SILVA.id]},
    )
    again = await supervisor.delete(SEPARATE, headers={"Idempotency-Key": "separate"})
    assert again.content == separated.content
    assert status_and_code(await supervisor.delete(SEPARATE)) == (404, "unknown_merge")
    own = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))
    assert (own.status_code, own.json()["patient_id"]) == (201, MARIA_SILVA.id)


async def test_merge_of_yesterday_stays(api: ApiDriver) -> None:
    await merge(api)
    api.clock.advance(days=1)

    answer = await (await api.staff("supervisor", exp=api.clock.at.timestamp() + 60)).delete(SEPARATE)

    assert status_and_code(answer) == (409, "merge_not_today")


async def test_separation_gives_back_appointment_that_was_fed_meanwhile(api: ApiDriver) -> None:
    await merge(api)
    service, supervisor = await api.staff("service"), await api.staff("supervisor")
    body = {"patient_id": MARIA_SILVA.id, "doctor_id": 7, "prestation_id": 11, "scheduled_at": "2026-03-10T12:00:00Z"}

    fed = (await service.put("/api/appointments/77", json=body)).json()
    assert (await supervisor.delete(SEPARATE)).status_code == 200

    separated = (await service.get("/api/appointments/77")).json()
    assert (fed["patient_id"], separated["patient_id"]) == (JOHN_DOE.id, MARIA_SILVA.id)


@pytest.mark.parametrize("checked_in", [False, True], ids=["nothing open", "checked in"])
async def test_survivor_fed_while_merged_counts_after_separation(api: ApiDriver, checked_in: bool) -> None:
    await merge(api)
    service, supervisor = await api.staff("service"), await api.staff("supervisor")
    path = f"/api/appointments/{MARIA_CARDIOLOGY.id}"
    body = {"patient_id": JOHN_DOE.id, "doctor_id": 7, "prestation_id": 11, "scheduled_at": "2026-03-10T13:00:00Z"}
    if checked_in:
        await service.post(f"{path}/check-in")

    while_merged = await service.put(path, json=body)

    await service.post(f"{path}/check-out")
    assert (await supervisor.delete(SEPARATE)).status_code == 200
    separated = await service.get(path)
    repeated = await service.put(path, json=body)
    read = [answer.json()["patient_id"] for answer in (while_merged, separated, repeated)]
    # Both ids were one person, so only the repeat can be a change.
    assert read == [JOHN_DOE.id, MARIA_SILVA.id, JOHN_DOE.id]
    assert (await service.get(path)).json()["scheduled_at"] == "2026-03-10T13:00:00.000Z"


async def test_each_merge_and_separation_changes_etags(api: ApiDriver) -> None:
    paths = [
        f"/api/patients/{JOHN_DOE.id}",
        f"/api/patients/{MARIA_SILVA.id}",
        f"/api/appointments/{MARIA_CARDIOLOGY.id}",
    ]
    service, supervisor = await api.staff("service"), await api.staff("supervisor")
    await service.put(paths[1], json={"first_name": "Maria", "last_name": "Sousa"})

    tags = []
    for change in (None, merge(api), supervisor.delete(SEPARATE)):
        if change is not None:
            assert (await change).status_code == 200
        tags.append([(await service.get(path)).headers["etag"] for path in paths])

    assert all(len(set(versions)) == 3 for versions in zip(*tags, strict=True)), tags


async def test_start_that_moves_too_often_is_undecided(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    doctor, key, visited = await api.doctor(), {"Idempotency-Key": "start-1"}, list[int]()

    async def move_on(_client: VisitClient, patient_id: int, _day: date, command: Command, *_update_id: object) -> None:
        visited.append(patient_of(command))
        raise PatientMovedError(patient_id + 1)

    before = await api.all_rows()
    with monkeypatch.context() as patches:
        patches.setattr(VisitClient, "update", move_on)
        client = VisitClient(create_autospec(Client), "visits", CALENDAR, Limits(), api.clock)
        patches.setattr(api.visits, "send", client.send)
        undecided = await doctor.post("/api/consultations", json=start_body(), headers=key)

    assert status_and_code(undecided) == (503, "undecided")
    assert int(undecided.headers["retry-after"]) >= 1
    assert visited == [JOHN_DOE.id + moves for moves in range(MAX_MOVES)]
    assert await api.all_rows() == before
    assert (await doctor.post("/api/consultations", json=start_body(), headers=key)).status_code == 201
