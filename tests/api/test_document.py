"""The OpenAPI document describes the answers as they are."""

import json
from collections.abc import Iterator
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

from patient_visit_engine.api.app import create_documented_app
from patient_visit_engine.api.stream.endpoint import LONGEST_CHANNEL, MOST_CHANNELS
from patient_visit_engine.wire import account_bodies, answer_bodies, problems, screens, worklist_bodies
from tests.support.api import JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR

EXAMPLES = 8
ROLES = ("doctor", "reception", "supervisor", "service", "admin")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLS = {
    ("/api/session", "POST"),
    ("/api/patients", "GET"),
    ("/api/session", "GET"),
    ("/api/session", "DELETE"),
    ("/api/session/password", "PUT"),
    ("/api/accounts", "GET"),
    ("/api/accounts", "POST"),
    ("/api/accounts/{account_id}", "GET"),
    ("/api/accounts/{account_id}", "PATCH"),
    ("/api/consultations", "POST"),
    ("/api/consultations/{consultation_id}", "GET"),
    ("/api/consultations/{consultation_id}/complete", "POST"),
    ("/api/consultations/{consultation_id}/extend", "POST"),
    ("/api/consultations/{consultation_id}/pause", "POST"),
    ("/api/consultations/{consultation_id}/release", "POST"),
    ("/api/consultations/{consultation_id}/reopen", "POST"),
    ("/api/consultations/{consultation_id}/resume", "POST"),
    ("/api/consultations/{consultation_id}/undo-start", "POST"),
    ("/api/appointments/{appointment_id}/status", "PATCH"),
    ("/api/appointments/{appointment_id}/cancel", "POST"),
    ("/api/appointments/{appointment_id}/cancel", "DELETE"),
    ("/api/appointments/{appointment_id}/priority", "PATCH"),
    ("/api/appointments/{appointment_id}/reassign", "POST"),
    ("/api/consultations/{consultation_id}/transfer", "POST"),
    ("/api/doctors/{doctor_id}/call-next", "POST"),
    ("/api/appointments/{appointment_id}/no-answer", "POST"),
    ("/api/doctors/{doctor_id}/reassign-all", "POST"),
    ("/api/appointments/{appointment_id}/check-in", "POST"),
    ("/api/appointments/{appointment_id}/check-out", "POST"),
    ("/api/appointments/{appointment_id}/check-in", "DELETE"),
    ("/api/appointments/{appointment_id}/check-out", "DELETE"),
    ("/api/appointments/{appointment_id}/wait", "POST"),
    ("/api/appointments/{appointment_id}/wait", "DELETE"),
    ("/api/appointments", "GET"),
    ("/api/patients/{patient_id}/visit", "GET"),
    ("/api/patients/{patient_id}/trackings", "GET"),
    ("/api/walk-ins", "POST"),
    ("/api/patients/{patient_id}/check-in", "POST"),
    ("/api/patients/{patient_id}/check-in", "DELETE"),
    ("/api/patients/{patient_id}/check-out", "POST"),
    ("/api/patients/{patient_id}/check-out", "DELETE"),
    ("/api/patients/{patient_id}/merge", "POST"),
    ("/api/patients/{patient_id}/merge/{retired_id}", "DELETE"),
    ("/api/patients/{record_id}", "GET"),
    ("/api/doctors/{record_id}", "GET"),
    ("/api/prestations/{record_id}", "GET"),
    ("/api/appointments/{record_id}", "GET"),
    ("/api/doctors", "GET"),
    ("/api/prestations", "GET"),
    ("/api/patients/{record_id}", "PUT"),
    ("/api/doctors/{record_id}", "PUT"),
    ("/api/prestations/{record_id}", "PUT"),
    ("/api/appointments/{record_id}", "PUT"),
    ("/api/patients", "PUT"),
    ("/api/doctors", "PUT"),
    ("/api/prestations", "PUT"),
    ("/api/appointments", "PUT"),
    ("/api/doctors/{doctor_id}/room", "PUT"),
    ("/api/events", "GET"),
    ("/api/board", "GET"),
    ("/api/wall", "GET"),
    ("/api/presence", "GET"),
    ("/api/reports/day", "GET"),
    ("/api/requests/{key}", "GET"),
    ("/livez", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document that each application serves. It is built once here, because building takes longer than most tests."""
    body: dict[str, Any] = json.loads(json.dumps(create_documented_app().openapi()))
    return body


async def test_api_serves_the_document(api: ApiDriver, document: dict[str, Any]) -> None:
    answer = await (await api.anyone()).get("/openapi.json")

    assert answer.status_code == 200
    assert answer.json() == document


def test_document_lists_exactly_all_calls(document: dict[str, Any]) -> None:
    paths = document["paths"]

    assert {(path, method.upper()) for path, calls in paths.items() for method in calls} == CALLS


def test_documents_every_error_as_problem(document: dict[str, Any]) -> None:
    for path, calls in document["paths"].items():
        for call in calls.values():
            for status, answer in call["responses"].items():
                media_types = set(answer.get("content", {}))
                if int(status) >= 400:
                    assert media_types == {"application/problem+json"}, (path, status)
            if path.startswith("/api/"):
                assert {"500", "503"} <= call["responses"].keys(), path
                assert ("security" in call) == (call["operationId"] != "sign_in"), path
    assert set(document["components"]["securitySchemes"]) == {"session", "bearer"}


def test_documents_no_success_that_no_call_gives(document: dict[str, Any]) -> None:
    # FastAPI's own text for a status that no route names.
    defaults = [
        (path, status)
        for path, calls in document["paths"].items()
        for call in calls.values()
        for status, answer in call["responses"].items()
        if path.startswith("/api/") and answer["description"] == "Successful Response"
    ]
    assert defaults == []


def find_schemas(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in the document that has a type, with its place. Streams, metrics and tables have no end, so no bound."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str):
            yield place, node
        for key, value in node.items():
            if key not in ("text/event-stream", "text/plain", "text/csv"):
                yield from find_schemas(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from find_schemas(value, f"{place}/{number}")


def test_every_number_and_text_has_bounds(document: dict[str, Any]) -> None:
    schemas = [(place, schema) for place, schema in find_schemas(document) if "enum" not in schema]

    numbers = [(place, schema) for place, schema in schemas if schema["type"] in ("integer", "number")]
    texts = [(place, schema) for place, schema in schemas if schema["type"] == "string" and "const" not in schema]
    assert len(numbers) > 100
    assert len(texts) > 100
    assert [place for place, schema in numbers if not {"minimum", "maximum"} <= schema.keys()] == []
    assert [place for place, schema in texts if not {"format", "pattern", "maxLength"} & schema.keys()] == []


def test_bounds_have_the_words_of_openapi(document: dict[str, Any]) -> None:
    words_of_python = {"ge", "le", "gt", "lt", "min_length", "max_length", "multiple_of"}

    found_words = [(place, words_of_python & schema.keys()) for place, schema in find_schemas(document)]

    assert [(place, words) for place, words in found_words if words] == []


def bounds_of(document: dict[str, Any], path: str, method: str, name: str) -> dict[str, Any]:
    """The schema of a parameter."""
    parameters = document["paths"][path][method]["parameters"]
    schema: dict[str, Any] = next(parameter["schema"] for parameter in parameters if parameter["name"] == name)
    return schema["anyOf"][0] if "anyOf" in schema else schema


@pytest.mark.parametrize("name", ["page", "page_size", "doctor_id"])
async def test_numbers_beyond_the_bounds_are_refused(api: ApiDriver, document: dict[str, Any], name: str) -> None:
    bounds = bounds_of(document, "/api/appointments", "get", name)
    doctor = await api.doctor()

    statuses = [
        (await doctor.get("/api/appointments", params={name: int(number)})).status_code
        for number in (bounds["minimum"] - 1, bounds["minimum"], bounds["maximum"], bounds["maximum"] + 1)
    ]

    assert statuses == [422, 200, 200, 422]


async def test_texts_beyond_the_bounds_are_refused(api: ApiDriver, document: dict[str, Any]) -> None:
    doctor = await api.doctor()
    longest_query = bounds_of(document, "/api/appointments", "get", "q")["maxLength"]
    longest_key = bounds_of(document, "/api/appointments/{appointment_id}/wait", "post", "Idempotency-Key")["maxLength"]
    longest_channels = bounds_of(document, "/api/events", "get", "channels")["maxLength"]

    queries = [await doctor.get("/api/appointments", params={"q": "a" * (longest_query + more)}) for more in (0, 1)]
    too_long_key = await doctor.post("/api/appointments/1/wait", headers={"Idempotency-Key": "a" * (longest_key + 1)})

    assert [answer.status_code for answer in queries] == [200, 422]
    assert too_long_key.json()["code"] == "bad_idempotency_key"
    assert longest_channels == len(",".join(["x" * LONGEST_CHANNEL] * MOST_CHANNELS))


def test_every_change_of_visit_takes_key(document: dict[str, Any]) -> None:
    for path, method in CALLS:
        named = {parameter["name"] for parameter in document["paths"][path][method.lower()].get("parameters", [])}
        changes = method != "GET" and method != "PUT" and path != "/api/session"
        assert ("Idempotency-Key" in named) == changes, (path, method)


async def test_answers_of_a_day_have_documented_shapes(api: ApiDriver) -> None:
    doctor, other, reception = await api.doctor(), await api.doctor(DR_OKAFOR.id), await api.staff("reception")
    supervisor = await api.staff("supervisor")

    arrived = await reception.post("/api/appointments/1/check-in")
    started = await doctor.post("/api/consultations", json=start_body())
    path = started.headers["location"]
    refused = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    place = await other.post("/api/appointments/2/wait")
    later = await doctor.post(f"{path}/complete", headers={"Prefer": "respond-async"})
    longer = await doctor.post(f"{path}/extend", json={"minutes": 5})
    worklist = await supervisor.get("/api/appointments")
    visit = await supervisor.get("/api/patients/123/visit")
    released = await supervisor.post(f"{path}/release", json={"reason": "forgotten"})
    status = await reception.patch("/api/appointments/1/status", json={"status": 0})
    rows = await reception.get("/api/patients/123/trackings")

    documented: list[tuple[httpx.Response, int, type[Any]]] = [
        (arrived, 201, answer_bodies.Tracking),
        (started, 201, answer_bodies.Consultation),
        (refused, 409, problems.Refusal),
        (place, 200, answer_bodies.Place),
        (later, 202, answer_bodies.AsyncRequest),
        (longer, 200, answer_bodies.Consultation),
        (worklist, 200, worklist_bodies.Worklist),
        (visit, 200, screens.Visit),
        (released, 200, answer_bodies.Consultation),
        (status, 200, answer_bodies.AppointmentStatusNow),
        (rows, 200, answer_bodies.Trackings),
        (await doctor.get("/api/session"), 200, account_bodies.SignedInUser),
        (await doctor.get(later.headers["location"]), 202, answer_bodies.AsyncRequest),
    ]
    for answer, expected, shape in documented:
        assert answer.status_code == expected, answer.text
        TypeAdapter(shape).validate_json(answer.content)


# Schemathesis runs its own event loops, and a connection to PostgreSQL belongs to one loop.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("examples", [3, pytest.param(EXAMPLES, marks=pytest.mark.long)])
def test_generated_requests_get_documented_answers(api: ApiDriver, examples: int) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", api.app)
    tokens = [api.token(role, DR_AMRANI.id if role == "doctor" else None) for role in ROLES]
    limited = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    tested = set()

    for operation in schema.get_all_operations():
        call = operation.ok()  # type: ignore[union-attr] # an Err fails the test
        if call.path == "/api/events":
            continue
        tested.add((call.path, call.method.upper()))

        @limited
        @given(case=call.as_strategy(), token=st.sampled_from(tokens))
        def matches_document(case: Any, token: str) -> None:
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            case.validate_response(response, checks=CHECKS)

        matches_document()

    assert tested == CALLS - {("/api/events", "GET")}
