"""Whatever is sent to whatever address: a 4xx with a stable code, nothing written, nothing of it said back."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI

NOBODYS = UUID(int=7)
JSON = {"Content-Type": "application/json"}
A_PATIENT: dict[str, Any] = {"first_name": "Ada", "last_name": "Byron"}
AN_APPOINTMENT: dict[str, Any] = {
    "patient_id": 123,
    "doctor_id": 7,
    "prestation_id": 11,
    "scheduled_at": "2026-03-02T09:00:00Z",
}
A_PRESTATION: dict[str, Any] = {"name": "Scan", "exclusive": False, "expected_minutes": 5}

#: Method, path with {} for an id, a good body, and a role that may.
WITH_BODY: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/api/session", {"username": "a", "password": "b"}, "doctor"),
    ("POST", "/api/consultations", start_body(), "doctor"),
    ("POST", f"/api/consultations/{NOBODYS}/extend", {"minutes": 5}, "doctor"),
    ("POST", f"/api/consultations/{NOBODYS}/release", {"reason": "x"}, "supervisor"),
    ("PATCH", "/api/appointments/1/status", {"status": 1}, "reception"),
    ("PUT", "/api/patients/1", A_PATIENT, "service"),
    ("PUT", "/api/doctors/1", {"name": "Dr. X"}, "service"),
    ("PUT", "/api/prestations/1", A_PRESTATION, "service"),
    ("PUT", "/api/appointments/1", AN_APPOINTMENT, "service"),
]
WITHOUT_BODY = [
    ("POST", f"/api/consultations/{NOBODYS}/complete", "doctor"),
    ("POST", "/api/appointments/1/check-in", "reception"),
    ("POST", "/api/appointments/1/check-out", "reception"),
    ("POST", "/api/appointments/1/wait", "doctor"),
]
ABOUT_AN_ID = [
    ("GET", "/api/consultations/{}", None, "doctor", "consultation"),
    ("POST", "/api/consultations/{}/complete", None, "doctor", "consultation"),
    ("POST", "/api/consultations/{}/extend", {"minutes": 5}, "doctor", "consultation"),
    ("POST", "/api/consultations/{}/release", {"reason": "x"}, "supervisor", "consultation"),
    ("PATCH", "/api/appointments/{}/status", {"status": 1}, "reception", "appointment"),
    ("POST", "/api/appointments/{}/check-in", None, "reception", "appointment"),
    ("POST", "/api/appointments/{}/check-out", None, "reception", "appointment"),
    ("POST", "/api/appointments/{}/wait", None, "doctor", "appointment"),
    ("DELETE", "/api/appointments/{}/wait", None, "doctor", "appointment"),
    ("GET", "/api/patients/{}/visit", None, "doctor", "patient"),
    ("GET", "/api/patients/{}/trackings", None, "doctor", "patient"),
]
FOR_SOME = [
    ("POST", "/api/consultations", start_body(), ["reception", "supervisor", "service"]),
    ("POST", f"/api/consultations/{NOBODYS}/complete", None, ["reception", "supervisor", "service"]),
    ("POST", f"/api/consultations/{NOBODYS}/extend", {"minutes": 5}, ["reception", "supervisor", "service"]),
    ("POST", f"/api/consultations/{NOBODYS}/release", {"reason": "x"}, ["doctor", "reception", "service"]),
    ("PATCH", "/api/appointments/1/status", {"status": 1}, ["service"]),
    ("POST", "/api/appointments/1/check-in", None, ["service"]),
    ("POST", "/api/appointments/1/check-out", None, ["service"]),
    ("POST", "/api/appointments/1/wait", None, ["reception", "supervisor", "service"]),
    ("DELETE", "/api/appointments/1/wait", None, ["reception", "supervisor", "service"]),
    ("PUT", "/api/patients/1", A_PATIENT, ["doctor", "reception"]),
    ("PUT", "/api/doctors/1", {"name": "Dr. X"}, ["doctor", "reception"]),
    ("PUT", "/api/prestations/1", A_PRESTATION, ["doctor", "reception"]),
    ("PUT", "/api/appointments/1", AN_APPOINTMENT, ["doctor", "reception"]),
    ("GET", "/api/presence", None, ["doctor", "reception", "service"]),
]
#: What is wrong elsewhere and right here: a password may be any text.
FITS = {
    "username": ["'5'"],
    "password": ["'5'", repr("\x00"), repr("a\u2028b")],
    "wait": ["True"],
    "reason": ["'5'"],
    "first_name": ["'5'"],
    "last_name": ["'5'"],
    "name": ["'5'"],
    "exclusive": ["True"],
    "status": ["0"],
}
WRONG: list[Any] = [None, "5", "", True, 5.0, -1, 0, 2**53, 10**400, [], {}, "\x00", "\ud800", "x" * 1001, "a\u2028b"]


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """The answer is this problem, in the shape that all of them have."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= answer.json().keys()
    assert answer.json()["status"] == status


@pytest.mark.parametrize(("method", "path", "good", "role"), WITH_BODY)
async def test_every_field_is_checked(api: ApiDriver, method: str, path: str, good: dict[str, Any], role: str) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
    before = await api.all_rows()

    for field in good:
        for wrong in WRONG:
            if repr(wrong) not in FITS.get(field, ()):
                answer = await client.request(method, path, content=_json(good | {field: wrong}), headers=JSON)
                refused(answer, 422, "invalid")
        missing = {name: value for name, value in good.items() if name != field}
        refused(await client.request(method, path, json=missing), 422, "invalid")
    refused(await client.request(method, path, json=good | {"surprise": 1}), 422, "invalid")
    assert await api.all_rows() == before


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b"{'a': 1}", b"[" * 60_000, b"9" * 5_000, b'{"a": "\xed\xa0\x80"}', b"\x00"],
    ids=["cut off", "not text", "not quoted", "too deep", "too long a number", "half a character", "nothing"],
)
@pytest.mark.parametrize(("method", "path", "good", "role"), WITH_BODY)
async def test_what_is_not_json_is_malformed(
    api: ApiDriver, method: str, path: str, good: dict[str, Any], role: str, body: bytes
) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)

    answer = await client.request(method, path, content=body, headers=JSON)

    assert answer.json()["code"] in ("malformed_json", "invalid"), answer.text
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "body", [b"NaN", b"[]", b'"text"', b"null", b"Infinity", b'{"minutes": NaN}', b'{"minutes": 1e999}']
)
async def test_json_that_is_no_object_of_ours_is_invalid(api: ApiDriver, body: bytes) -> None:
    path = f"/api/consultations/{NOBODYS}/extend"

    answer = await (await api.doctor()).post(path, content=body, headers=JSON)

    refused(answer, 422, "invalid")


@pytest.mark.parametrize(("method", "path", "role"), WITHOUT_BODY)
async def test_a_call_that_takes_no_field_refuses_every_field(
    api: ApiDriver, method: str, path: str, role: str
) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
    before = await api.all_rows()

    refused(await client.request(method, path, json={"surprise": 1}), 422, "invalid")

    assert await api.all_rows() == before


@pytest.mark.parametrize(("method", "path", "body", "role", "what"), ABOUT_AN_ID)
async def test_what_does_not_exist_is_unknown_and_what_is_no_id_is_invalid(
    api: ApiDriver, method: str, path: str, body: Any, role: str, what: str
) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
    before = await api.all_rows()
    unknown = [str(NOBODYS)] if what == "consultation" else ["999", str(2**53 - 1)]
    no_ids = ["0", "-1", "1.0", "01", "+1", "1_0", "%D9%A3", "x", str(2**53), "9" * 5000, "%00", "NaN", "1%20"]

    for one in unknown:
        refused(await client.request(method, path.format(one), json=body), 404, f"unknown_{what}")
    for one in no_ids:
        refused(await client.request(method, path.format(one), json=body), 422, "invalid")

    assert await api.all_rows() == before


@pytest.mark.parametrize(("method", "path", "body", "roles"), FOR_SOME)
async def test_each_call_is_for_some_roles(api: ApiDriver, method: str, path: str, body: Any, roles: list[str]) -> None:
    before = await api.all_rows()

    for role in roles:
        client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
        refused(await client.request(method, path, json=body), 403, "wrong_role")
    answer = await (await api.anyone()).request(method, path, json=body)

    refused(answer, 401, "not_signed_in")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert await api.all_rows() == before


async def test_an_appointment_is_its_doctors_business(api: ApiDriver) -> None:
    stranger = await api.doctor(DR_AMRANI.id + 1)
    before = await api.all_rows()

    for method, call in (("POST", "check-in"), ("POST", "check-out"), ("POST", "wait"), ("DELETE", "wait")):
        refused(await stranger.request(method, f"/api/appointments/{JOHN_CARDIOLOGY.id}/{call}"), 403, "not_yours")
    refused(
        await stranger.patch(f"/api/appointments/{JOHN_CARDIOLOGY.id}/status", json={"status": 1}), 403, "not_yours"
    )

    assert await api.all_rows() == before


async def test_nothing_that_was_sent_is_said_back(api: ApiDriver) -> None:
    service = await api.staff("service")

    answer = await service.put("/api/patients/5", json={"first_name": ["Zebedee"], "Quixote was here": "Pantagruel"})

    refused(answer, 422, "invalid")
    assert not any(word in answer.text for word in ("Zebedee", "Quixote", "Pantagruel"))
    assert {one["field"] for one in answer.json()["errors"]} == {"first_name", "last_name", "?"}


async def test_a_body_has_a_limit_whether_it_says_its_length_or_not(api: ApiDriver) -> None:
    doctor = await api.doctor()

    async def dripping() -> Any:
        for _ in range(70):
            yield b" " * 1024

    # Refused by what it says of itself: nothing of it has to be read.
    claimed = JSON | {"Content-Length": str(64 * 1024 + 1)}
    stated = await doctor.post("/api/consultations", content=_json(start_body()), headers=claimed)
    chunked = await doctor.post("/api/consultations", content=dripping(), headers=JSON)
    just_fits = await doctor.post("/api/consultations", content=_json(start_body()).ljust(64 * 1024), headers=JSON)

    refused(stated, 413, "body_too_large")
    refused(chunked, 413, "body_too_large")
    assert just_fits.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_is_json_and_nothing_else(api: ApiDriver, headers: dict[str, str]) -> None:
    answer = await (await api.doctor()).post("/api/consultations", content=_json(start_body()), headers=headers)

    refused(answer, 415, "unsupported_media_type")


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(api: ApiDriver) -> None:
    doctor = await api.doctor()

    for nowhere in ("/", "/api", "/api/", "/docs", "/redoc", "/api/consultations/", "/api/../etc/passwd"):
        refused(await doctor.get(nowhere), 404, "not_found")
    wrong = await doctor.put("/api/session", json={})
    refused(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "DELETE, GET, POST"


async def test_a_fault_is_told_to_nobody(api: ApiDriver, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("John Doe is a secret")

    api.visits.send = broken  # type: ignore[method-assign]

    answer = await (await api.doctor()).post("/api/consultations", json=start_body())

    refused(answer, 500, "internal")
    assert "ZeroDivisionError" in caplog.text
    assert "John" not in answer.text + caplog.text


async def test_a_database_that_is_away_is_not_a_fault(api: ApiDriver, caplog: pytest.LogCaptureFixture) -> None:
    doctor = await api.doctor()

    async def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    api.app.parts.database.read = away  # type: ignore[method-assign, assignment]
    api.app.parts.database.glance = away  # type: ignore[method-assign, assignment]

    answer = await doctor.post("/api/consultations", json=start_body())

    refused(answer, 503, "undecided")
    assert int(answer.headers["retry-after"]) >= 1
    assert "ERROR" not in caplog.text


async def test_patients_are_kept_out_of_caches(api: ApiDriver) -> None:
    answer = await (await api.doctor()).get("/api/appointments")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
