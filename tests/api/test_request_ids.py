"""`X-Request-ID`: in each answer, in the ledger and in the command, and in the body of a 503."""

import pytest

from tests.support.api import ApiDriver, start_body
from tests.support.databases import database_on
from tests.support.ledger import column

#: No outcome here depends on the database.
database = database_on("sqlite")

OWN_ID = {"X-Request-ID": "browser-7"}


@pytest.mark.parametrize("path", ["/livez", "/api/session", "/api/nothing", "/api/appointments?date=x", "/nothing"])
async def test_every_answer_has_the_callers_id(api: ApiDriver, path: str) -> None:
    answer = await (await api.anyone()).get(path, headers=OWN_ID)

    assert answer.headers.get_list("x-request-id") == ["browser-7"]


@pytest.mark.parametrize("sent", [[], [""], ["two words"], ["x" * 129], ["é"], ["a", "b"]])
async def test_other_ids_are_replaced(api: ApiDriver, sent: list[str]) -> None:
    client = await api.anyone()
    headers = [(b"X-Request-ID", value.encode()) for value in sent]

    ids = [(await client.get("/livez", headers=headers)).headers["x-request-id"] for _ in range(2)]

    assert len({*ids, *sent}) == len({*sent}) + 2
    assert all(len(request_id) == 16 for request_id in ids)


async def test_ledger_and_command_have_the_id(api: ApiDriver) -> None:
    doctor = await api.doctor()
    key = {"Idempotency-Key": "press"}

    await doctor.post("/api/consultations", json=start_body(), headers=key | OWN_ID)
    await doctor.post("/api/consultations", json=start_body(), headers=key | {"X-Request-ID": "browser-8"})

    assert [command.request.http_request_id for command in api.visits.sent] == ["browser-7"]
    assert await api.database.read(column, "requests", "http_request_id") == ["browser-7"]


async def test_stored_request_has_the_id(api: ApiDriver) -> None:
    headers = OWN_ID | {"Prefer": "respond-async"}

    accepted = await (await api.doctor()).post("/api/consultations", json=start_body(), headers=headers)

    assert accepted.status_code == 202
    assert await api.database.read(column, "requests", "http_request_id") == ["browser-7"]


async def test_body_of_503_has_the_id(api: ApiDriver) -> None:
    api.visits.away = True

    undecided = await (await api.doctor()).post("/api/consultations", json=start_body(), headers=OWN_ID)
    not_ready = await (await api.anyone()).get("/readyz", headers=OWN_ID)
    refused = await (await api.anyone()).get("/api/session", headers=OWN_ID)

    assert (undecided.status_code, undecided.json()["http_request_id"]) == (503, "browser-7")
    assert (not_ready.status_code, not_ready.json()["http_request_id"]) == (503, "browser-7")
    assert "http_request_id" not in refused.json()
