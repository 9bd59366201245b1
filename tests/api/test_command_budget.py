"""A user who sends commands in a loop: 429 without any work for the database, and nothing changes for others."""

from tests.support.api import JOHN_DERMATOLOGY, JOHN_X_RAY, ApiOpener, start_body
from tests.support.builders import DR_OKAFOR, DR_SMITH
from tests.support.statements import recorded_statements


async def test_command_beyond_budget_does_nothing(open_api: ApiOpener) -> None:
    api = await open_api(commands_per_minute=2)
    doctor = await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    key = {"Idempotency-Key": "a-press"}
    completion = f"{started.headers['location']}/complete"
    completed = await doctor.post(completion, headers=key)

    with recorded_statements() as statements:
        refused = await doctor.post(completion, headers=key)
    api.clock.advance(seconds=30)
    repeated = await doctor.post(completion, headers=key)

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_commands")
    assert refused.headers["retry-after"] == "30"
    assert statements == []
    assert (repeated.status_code, repeated.content) == (200, completed.content)


async def test_budget_limits_only_commands_of_one_user(open_api: ApiOpener) -> None:
    api = await open_api(commands_per_minute=1)
    doctor, feed = await api.doctor(), await api.staff("service")
    await doctor.post("/api/consultations", json=start_body())

    refused = await doctor.post("/api/appointments/4/check-in")
    read = await doctor.get("/api/patients/123/visit")
    other = await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    x_ray = await (await api.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))
    of_feed = [await feed.post(f"/api/appointments/{number}/check-in") for number in (2, 2, 4)]

    assert [answer.status_code for answer in (refused, read, other, x_ray, *of_feed)] == [
        429, 200, 409, 201, 201, 200, 201,
    ]  # fmt: skip
