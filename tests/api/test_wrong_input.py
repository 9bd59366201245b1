"""Wrong input to any path: a 4xx with a stable code. Nothing is written, and the answer repeats nothing of the input."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from patient_visit_engine.api.gateway import MAX_BODY
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI
from tests.support.databases import ON_SQLITE

UNKNOWN_ID = UUID(int=7)
JSON = {"Content-Type": "application/json"}
A_PATIENT: dict[str, Any] = {"last_name": "Byron"}
AN_APPOINTMENT: dict[str, Any] = {
    "patient_id": 123,
    "doctor_id": 7,
    "prestation_id": 11,
    "scheduled_at": "2026-03-02T09:00:00Z",
}
BY_IDENTIFIERS: dict[str, Any] = {
    "patient": {"identifier": "urn:own|1"},
    "doctor": {"identifier": "urn:own|1"},
    "prestation": {"identifier": "urn:own|1"},
    "scheduled_at": "2026-03-02T09:00:00Z",
}
A_WALK_IN: dict[str, Any] = {"patient": {"identifier": "urn:own|1"}, "doctor_id": 7, "prestation_id": 11}
A_PRESTATION: dict[str, Any] = {"name": "Scan", "exclusive": False, "expected_minutes": 5}

#: Method, path, a valid body, and a role that may send it.
WITH_BODY: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/api/session", {"username": "a", "password": "b"}, "doctor"),
    ("POST", "/api/accounts", {"username": "a", "name": "A", "role": "admin"}, "admin"),
    ("PUT", "/api/session/password", {"old": "a", "new": "b" * 8}, "reception"),
    ("POST", "/api/consultations", start_body(), "doctor"),
    ("POST", f"/api/consultations/{UNKNOWN_ID}/extend", {"minutes": 5}, "doctor"),
    ("POST", f"/api/consultations/{UNKNOWN_ID}/release", {"reason": "x"}, "supervisor"),
    ("POST", f"/api/consultations/{UNKNOWN_ID}/transfer", {"doctor_id": 7}, "doctor"),
    ("PATCH", "/api/appointments/1/status", {"status": 1}, "reception"),
    ("PATCH", "/api/appointments/1/priority", {"priority": 1}, "reception"),
    ("POST", "/api/appointments/1/reassign", {"doctor_id": 7}, "reception"),
    ("POST", "/api/doctors/7/reassign-all", {"doctor_id": 8, "reason": "x"}, "reception"),
    ("POST", "/api/appointments/1/cancel", {"reason": "patient"}, "reception"),
    ("POST", "/api/walk-ins", A_WALK_IN, "reception"),
    ("POST", "/api/patients/123/merge", {"patient_id": 124, "reason": "x"}, "supervisor"),
    ("PUT", "/api/patients/1", A_PATIENT, "service"),
    ("PUT", "/api/patients/1", {"first_name": "Ada"}, "service"),
    ("PUT", "/api/doctors/1", {"name": "Dr. X"}, "service"),
    ("PUT", "/api/prestations/1", A_PRESTATION, "service"),
    ("PUT", "/api/appointments/1", AN_APPOINTMENT, "service"),
    ("PUT", "/api/appointments?identifier=urn:own|1", BY_IDENTIFIERS, "service"),
]
WITHOUT_BODY = [
    ("POST", f"/api/consultations/{UNKNOWN_ID}/complete", "doctor"),
    ("POST", "/api/appointments/1/check-in", "reception"),
    ("POST", "/api/appointments/1/check-out", "reception"),
    ("POST", "/api/appointments/1/wait", "doctor"),
]
ABOUT_AN_ID = [
    ("GET", "/api/consultations/{}", None, "doctor", "consultation"),
    ("POST", "/api/consultations/{}/complete", None, "doctor", "consultation"),
    ("POST", "/api/consultations/{}/extend", {"minutes": 5}, "doctor", "consultation"),
    ("POST", "/api/consultations/{}/release", {"reason": "x"}, "supervisor", "consultation"),
    ("POST", "/api/consultations/{}/transfer", {"doctor_id": 7}, "supervisor", "consultation"),
    ("PATCH", "/api/appointments/{}/status", {"status": 1}, "reception", "appointment"),
    ("PATCH", "/api/appointments/{}/priority", {"priority": 1}, "reception", "appointment"),
    ("POST", "/api/appointments/{}/reassign", {"doctor_id": 7}, "reception", "appointment"),
    ("POST", "/api/doctors/{}/reassign-all", {"doctor_id": 8, "reason": "x"}, "reception", "doctor"),
    ("POST", "/api/appointments/{}/check-in", None, "reception", "appointment"),
    ("DELETE", "/api/appointments/{}/check-in", None, "reception", "appointment"),
    ("POST", "/api/appointments/{}/cancel", {"reason": "patient"}, "reception", "appointment"),
    ("POST", "/api/patients/{}/check-in", None, "reception", "patient"),
    ("POST", "/api/consultations/{}/pause", None, "doctor", "consultation"),
    ("POST", "/api/consultations/{}/reopen", None, "supervisor", "consultation"),
    ("POST", "/api/appointments/{}/check-out", None, "reception", "appointment"),
    ("POST", "/api/appointments/{}/no-answer", None, "reception", "appointment"),
    ("POST", "/api/doctors/{}/call-next", None, "reception", "doctor"),
    ("POST", "/api/appointments/{}/wait", None, "doctor", "appointment"),
    ("DELETE", "/api/appointments/{}/wait", None, "doctor", "appointment"),
    ("GET", "/api/patients/{}", None, "doctor", "patient"),
    ("GET", "/api/doctors/{}", None, "service", "doctor"),
    ("GET", "/api/prestations/{}", None, "reception", "prestation"),
    ("GET", "/api/appointments/{}", None, "supervisor", "appointment"),
    ("GET", "/api/patients/{}/visit", None, "doctor", "patient"),
    ("POST", "/api/patients/{}/merge", {"patient_id": 124, "reason": "x"}, "service", "patient"),
    ("DELETE", "/api/patients/{}/merge/124", None, "supervisor", "patient"),
    ("GET", "/api/accounts/{}", None, "admin", "account"),
    ("PATCH", "/api/accounts/{}", {"name": "A"}, "admin", "account"),
    ("DELETE", "/api/patients/123/merge/{}", None, "supervisor", "patient"),
    ("GET", "/api/patients/{}/trackings", None, "doctor", "patient"),
]
FOR_SOME = [
    ("GET", "/api/accounts", None, ["doctor", "reception", "supervisor", "service"]),
    ("POST", "/api/accounts", {"username": "a", "name": "A", "role": "admin"}, ["doctor", "supervisor", "service"]),
    ("POST", "/api/patients/123/merge", {"patient_id": 124, "reason": "x"}, ["doctor", "reception"]),
    ("DELETE", "/api/patients/123/merge/124", None, ["doctor", "reception", "service"]),
    ("POST", "/api/consultations", start_body(), ["reception", "supervisor", "service"]),
    ("POST", f"/api/consultations/{UNKNOWN_ID}/complete", None, ["reception", "supervisor", "service"]),
    ("POST", f"/api/consultations/{UNKNOWN_ID}/extend", {"minutes": 5}, ["reception", "supervisor", "service"]),
    ("POST", f"/api/consultations/{UNKNOWN_ID}/release", {"reason": "x"}, ["doctor", "reception", "service"]),
    ("POST", f"/api/consultations/{UNKNOWN_ID}/transfer", {"doctor_id": 7}, ["reception", "service"]),
    ("PATCH", "/api/appointments/1/status", {"status": 1}, ["service"]),
    ("PATCH", "/api/appointments/1/priority", {"priority": 1}, ["service"]),
    ("POST", "/api/appointments/1/reassign", {"doctor_id": 7}, ["service"]),
    ("POST", "/api/doctors/7/reassign-all", {"doctor_id": 8, "reason": "x"}, ["doctor", "service"]),
    ("POST", "/api/walk-ins", A_WALK_IN, ["service"]),
    ("POST", "/api/appointments/1/cancel", {"reason": "patient"}, ["doctor", "service"]),
    ("POST", "/api/patients/123/check-in", None, ["doctor", "service"]),
    ("POST", "/api/appointments/1/check-in", None, []),
    ("POST", "/api/appointments/1/check-out", None, []),
    ("POST", "/api/appointments/1/no-answer", None, ["supervisor", "service"]),
    ("POST", "/api/doctors/7/call-next", None, ["supervisor", "service"]),
    ("POST", "/api/appointments/1/wait", None, ["reception", "supervisor", "service"]),
    ("DELETE", "/api/appointments/1/wait", None, ["reception", "supervisor", "service"]),
    ("PUT", "/api/patients/1", A_PATIENT, ["doctor", "reception"]),
    ("PUT", "/api/doctors/1", {"name": "Dr. X"}, ["doctor", "reception"]),
    ("PUT", "/api/prestations/1", A_PRESTATION, ["doctor", "reception"]),
    ("PUT", "/api/appointments/1", AN_APPOINTMENT, ["doctor", "reception"]),
    ("PUT", "/api/doctors/7/room", {"room": "4"}, ["reception", "service", "admin"]),
    ("GET", "/api/presence", None, ["doctor", "reception", "service"]),
    ("GET", "/api/reports/day", None, ["doctor", "reception", "service"]),
]
#: Values of WRONG that are valid for a field. For example, a password may be any text.
VALID_HERE = {
    "username": ["'5'"],
    "password": ["'5'", repr("\x00"), repr("a\u2028b")],
    "old": ["'5'", repr("\x00"), repr("a\u2028b")],
    "wait": ["True"],
    "reason": ["'5'"],
    "first_name": ["'5'"],
    "last_name": ["'5'"],
    "name": ["'5'"],
    "exclusive": ["True"],
    "status": ["0"],
    "priority": ["None"],
}
WRONG: list[Any] = [None, "5", "", True, 5.0, -1, 0, 2**53, 10**400, [], {}, "\x00", "\ud800", "x" * 1001, "a\u2028b"]


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    """Check status, code and shape of a problem."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= answer.json().keys()
    assert answer.json()["status"] == status


@pytest.mark.parametrize(("method", "path", "valid_body", "role"), WITH_BODY)
async def test_refuses_wrong_value_in_every_field(
    api: ApiDriver, method: str, path: str, valid_body: dict[str, Any], role: str
) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
    before = await api.all_rows()

    for field in valid_body:
        for wrong in WRONG:
            if repr(wrong) not in VALID_HERE.get(field, ()):
                answer = await client.request(method, path, content=_json(valid_body | {field: wrong}), headers=JSON)
                assert_problem(answer, 422, "invalid")
        missing = {name: value for name, value in valid_body.items() if name != field}
        assert_problem(await client.request(method, path, json=missing), 422, "invalid")
    assert_problem(await client.request(method, path, json=valid_body | {"surprise": 1}), 422, "invalid")
    assert await api.all_rows() == before


@pytest.mark.parametrize("field", ["identifiers", "as_of"])
async def test_refuses_wrong_value_in_optional_field(api: ApiDriver, field: str) -> None:
    client, before = await api.staff("service"), await api.all_rows()
    wrong_here = [[{}], [{"system": "a"}], [{"system": "a", "value": 5}], [{"system": "a", "value": "b", "c": 1}]]

    for wrong in [*WRONG, *wrong_here]:
        if not (field == "as_of" and wrong is None) and not (field == "identifiers" and wrong == []):
            body = A_PATIENT | {field: wrong}
            answer = await client.request("PUT", "/api/patients/1", content=_json(body), headers=JSON)
            assert_problem(answer, 422, "invalid")
    assert await api.all_rows() == before


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


@ON_SQLITE
@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b"{'a': 1}", b"[" * 16_000, b"9" * 5_000, b'{"a": "\xed\xa0\x80"}', b"\x00"],
    ids=["truncated", "not UTF-8", "single quotes", "too deep", "number too long", "half a character", "null byte"],
)
@pytest.mark.parametrize(("method", "path", "valid_body", "role"), WITH_BODY)
async def test_refuses_malformed_json(
    api: ApiDriver, method: str, path: str, valid_body: dict[str, Any], role: str, body: bytes
) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)

    answer = await client.request(method, path, content=body, headers=JSON)

    assert answer.json()["code"] in ("malformed_json", "invalid"), answer.text
    assert answer.status_code in (400, 422)


@ON_SQLITE
@pytest.mark.parametrize(
    "body", [b"NaN", b"[]", b'"text"', b"null", b"Infinity", b'{"minutes": NaN}', b'{"minutes": 1e999}']
)
async def test_refuses_json_of_wrong_shape(api: ApiDriver, body: bytes) -> None:
    path = f"/api/consultations/{UNKNOWN_ID}/extend"

    answer = await (await api.doctor()).post(path, content=body, headers=JSON)

    assert_problem(answer, 422, "invalid")


@ON_SQLITE
@pytest.mark.parametrize(("method", "path", "role"), WITHOUT_BODY)
async def test_call_without_fields_refuses_any_field(api: ApiDriver, method: str, path: str, role: str) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
    before = await api.all_rows()

    assert_problem(await client.request(method, path, json={"surprise": 1}), 422, "invalid")

    assert await api.all_rows() == before


@pytest.mark.parametrize(("method", "path", "body", "role", "resource"), ABOUT_AN_ID)
async def test_tells_unknown_ids_from_invalid_ones(
    api: ApiDriver, method: str, path: str, body: Any, role: str, resource: str
) -> None:
    client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
    before = await api.all_rows()
    unknown_ids = [str(UNKNOWN_ID)] if resource == "consultation" else ["999", str(2**53 - 1)]
    invalid_ids = ["0", "-1", "1.0", "01", "+1", "1_0", "%D9%A3", "x", str(2**53), "9" * 5000, "%00", "NaN", "1%20"]

    for number in unknown_ids:
        assert_problem(await client.request(method, path.format(number), json=body), 404, f"unknown_{resource}")
    for number in invalid_ids:
        assert_problem(await client.request(method, path.format(number), json=body), 422, "invalid")

    assert await api.all_rows() == before


@ON_SQLITE
@pytest.mark.parametrize(("method", "path", "body", "roles"), FOR_SOME)
async def test_refuses_wrong_role_and_anonymous(
    api: ApiDriver, method: str, path: str, body: Any, roles: list[str]
) -> None:
    before = await api.all_rows()

    for role in roles:
        client = await api.staff(role, DR_AMRANI.id if role == "doctor" else None)
        assert_problem(await client.request(method, path, json=body), 403, "wrong_role")
    answer = await (await api.anyone()).request(method, path, json=body)

    assert_problem(answer, 401, "not_signed_in")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert await api.all_rows() == before


async def test_refuses_appointment_of_other_doctor(api: ApiDriver) -> None:
    other_doctor = await api.doctor(DR_AMRANI.id + 1)
    before = await api.all_rows()

    for method, call in (("POST", "check-in"), ("POST", "check-out"), ("POST", "wait"), ("DELETE", "wait")):
        assert_problem(
            await other_doctor.request(method, f"/api/appointments/{JOHN_CARDIOLOGY.id}/{call}"), 403, "not_yours"
        )
    assert_problem(
        await other_doctor.patch(f"/api/appointments/{JOHN_CARDIOLOGY.id}/status", json={"status": 1}), 403, "not_yours"
    )

    assert await api.all_rows() == before


async def test_error_does_not_repeat_what_was_sent(api: ApiDriver) -> None:
    service = await api.staff("service")

    answer = await service.put("/api/patients/5", json={"first_name": ["Zebedee"], "Quixote was here": "Pantagruel"})

    assert_problem(answer, 422, "invalid")
    assert not any(word in answer.text for word in ("Zebedee", "Quixote", "Pantagruel"))
    assert {error["field"] for error in answer.json()["errors"]} == {"first_name", "?"}


async def test_refuses_body_above_limit_in_any_encoding(api: ApiDriver) -> None:
    doctor = await api.doctor()

    async def send_slowly() -> Any:
        for _ in range(70):
            yield b" " * 1024

    # The stated length is enough to refuse the request without reading its body.
    too_long = JSON | {"Content-Length": str(MAX_BODY + 1)}
    stated = await doctor.post("/api/consultations", content=_json(start_body()), headers=too_long)
    chunked = await doctor.post("/api/consultations", content=send_slowly(), headers=JSON)
    just_fits = await doctor.post("/api/consultations", content=_json(start_body()).ljust(MAX_BODY), headers=JSON)

    assert_problem(stated, 413, "body_too_large")
    assert_problem(chunked, 413, "body_too_large")
    assert just_fits.status_code == 201


@ON_SQLITE
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_refuses_body_that_is_not_plain_json(api: ApiDriver, headers: dict[str, str]) -> None:
    answer = await (await api.doctor()).post("/api/consultations", content=_json(start_body()), headers=headers)

    assert_problem(answer, 415, "unsupported_media_type")


async def test_unknown_path_or_method_gives_problem(api: ApiDriver) -> None:
    doctor = await api.doctor()

    for path in ("/", "/api", "/api/", "/docs", "/redoc", "/api/consultations/", "/api/../etc/passwd"):
        assert_problem(await doctor.get(path), 404, "not_found")
    wrong_method = await doctor.put("/api/session", json={})
    assert_problem(wrong_method, 405, "method_not_allowed")
    assert wrong_method.headers["allow"] == "DELETE, GET, POST"


async def test_fault_reveals_no_patient(api: ApiDriver, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("John Doe is a secret")

    api.visits.send = fail  # type: ignore[method-assign, assignment]

    answer = await (await api.doctor()).post("/api/consultations", json=start_body())

    assert_problem(answer, 500, "internal")
    assert "ZeroDivisionError" in caplog.text
    assert "John" not in answer.text + caplog.text


async def test_unreachable_database_is_no_fault(api: ApiDriver, caplog: pytest.LogCaptureFixture) -> None:
    doctor = await api.doctor()

    async def refuse_connection(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    api.app.dependencies.database.read = refuse_connection  # type: ignore[method-assign, assignment]
    api.app.dependencies.database.read_inline = refuse_connection  # type: ignore[method-assign, assignment]

    answer = await doctor.post("/api/consultations", json=start_body())

    assert_problem(answer, 503, "undecided")
    assert int(answer.headers["retry-after"]) >= 1
    assert "ERROR" not in caplog.text


async def test_forbids_caching_of_answers(api: ApiDriver) -> None:
    answer = await (await api.doctor()).get("/api/appointments")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
