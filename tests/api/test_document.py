"""The OpenAPI document and the answers say the same."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from patient_visit_engine.wire import shapes
from tests.support.api import JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR

EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLS = {
    ("/api/session", "POST"),
    ("/api/session", "GET"),
    ("/api/session", "DELETE"),
    ("/api/consultations", "POST"),
    ("/api/consultations/{consultation_id}", "GET"),
    ("/api/consultations/{consultation_id}/complete", "POST"),
    ("/api/consultations/{consultation_id}/extend", "POST"),
    ("/api/consultations/{consultation_id}/release", "POST"),
    ("/api/appointments/{appointment_id}/status", "PATCH"),
    ("/api/appointments/{appointment_id}/check-in", "POST"),
    ("/api/appointments/{appointment_id}/check-out", "POST"),
    ("/api/appointments/{appointment_id}/wait", "POST"),
    ("/api/appointments/{appointment_id}/wait", "DELETE"),
    ("/api/appointments", "GET"),
    ("/api/patients/{patient_id}/visit", "GET"),
    ("/api/patients/{patient_id}/trackings", "GET"),
    ("/api/patients/{record_id}", "PUT"),
    ("/api/doctors/{record_id}", "PUT"),
    ("/api/prestations/{record_id}", "PUT"),
    ("/api/appointments/{record_id}", "PUT"),
    ("/api/events", "GET"),
    ("/api/board", "GET"),
    ("/api/presence", "GET"),
    ("/api/requests/{key}", "GET"),
    ("/livez", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
}


async def document(api: ApiDriver) -> dict[str, Any]:
    answer: httpx.Response = await (await api.anyone()).get("/openapi.json")
    body: dict[str, Any] = answer.json()
    return body


async def test_the_document_lists_every_call_and_no_other(api: ApiDriver) -> None:
    paths = (await document(api))["paths"]

    assert {(path, method.upper()) for path, calls in paths.items() for method in calls} == CALLS


async def test_every_error_is_documented_as_a_problem(api: ApiDriver) -> None:
    said = await document(api)

    for path, calls in said["paths"].items():
        for call in calls.values():
            for status, answer in call["responses"].items():
                kinds = set(answer.get("content", {}))
                if int(status) >= 400:
                    assert kinds == {"application/problem+json"}, (path, status)
            if path.startswith("/api/"):
                assert {"500", "503"} <= call["responses"].keys(), path
                assert ("security" in call) == (call["operationId"] != "sign_in"), path
    assert set(said["components"]["securitySchemes"]) == {"session", "bearer"}


async def test_every_call_that_changes_a_visit_takes_a_key(api: ApiDriver) -> None:
    paths = (await document(api))["paths"]

    for path, method in CALLS:
        named = {parameter["name"] for parameter in paths[path][method.lower()].get("parameters", [])}
        changes = method != "GET" and method != "PUT" and path != "/api/session"
        assert ("Idempotency-Key" in named) == changes, (path, method)


async def test_a_day_at_the_clinic_is_answered_in_the_documented_shapes(api: ApiDriver) -> None:
    doctor, other, desk = await api.doctor(), await api.doctor(DR_OKAFOR.id), await api.staff("reception")
    supervisor = await api.staff("supervisor")

    arrived = await desk.post("/api/appointments/1/check-in")
    begun = await doctor.post("/api/consultations", json=start_body())
    where = begun.headers["location"]
    refused = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    place = await other.post("/api/appointments/2/wait")
    later = await doctor.post(f"{where}/complete", headers={"Prefer": "respond-async"})
    longer = await doctor.post(f"{where}/extend", json={"minutes": 5})
    seen = [await supervisor.get(path) for path in ("/api/appointments", "/api/patients/123/visit")]
    ended = await supervisor.post(f"{where}/release", json={"reason": "forgotten"})
    status = await desk.patch("/api/appointments/1/status", json={"status": 0})
    rows = await desk.get("/api/patients/123/trackings")

    said: list[tuple[httpx.Response, int, type[Any]]] = [
        (arrived, 201, shapes.Tracking),
        (begun, 201, shapes.Consultation),
        (refused, 409, shapes.Refusal),
        (place, 200, shapes.Place),
        (later, 202, shapes.AsyncRequest),
        (longer, 200, shapes.Consultation),
        (seen[0], 200, screens.Worklist),
        (seen[1], 200, screens.Visit),
        (ended, 200, shapes.Consultation),
        (status, 200, shapes.AppointmentStatusNow),
        (rows, 200, shapes.Trackings),
        (await doctor.get("/api/session"), 200, shapes.SignedInUser),
        (await doctor.get(later.headers["location"]), 202, shapes.AsyncRequest),
    ]
    for answer, expected, shape in said:
        assert answer.status_code == expected, answer.text
        TypeAdapter(shape).validate_json(answer.content)


# It asks from loops of its own, and a session of PostgreSQL belongs to one.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_whatever_fits_the_document_is_answered_as_it_says(api: ApiDriver) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", api.app)
    tokens = [api.token(role, DR_AMRANI.id if role == "doctor" else None) for role in ROLES]
    bounded = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    seen = set()

    for found in schema.get_all_operations():
        call = found.ok()  # type: ignore[union-attr]
        if call.path == "/api/events":
            continue
        seen.add((call.path, call.method.upper()))

        @bounded
        @given(case=call.as_strategy(), token=st.sampled_from(tokens))
        def answered(case: Any, token: str) -> None:
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            case.validate_response(response, checks=CHECKS)

        answered()

    assert seen == CALLS - {("/api/events", "GET")}


ROLES = ("doctor", "reception", "supervisor", "service")
