"""The OpenAPI document: the answers, errors and rights of each call."""

import json
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from patient_visit_engine.api.access.sessions import COOKIE
from patient_visit_engine.api.commands.idempotency import KEY_SCHEMA
from patient_visit_engine.api.problems import PROBLEM_JSON
from patient_visit_engine.api.serving.limits import DEFAULT_LIMITS
from patient_visit_engine.api.stream.endpoint import LONGEST_CHANNEL, MOST_CHANNELS
from patient_visit_engine.wire.problems import Problem, Refusal

DESCRIPTIONS = {
    200: "Done",
    201: "Created",
    202: "Accepted: the decision follows",
    204: "Done, without a body",
    304: "The caller has this version",
    400: "The request is not well-formed, or the body is not JSON",
    401: "Not signed in",
    403: "Not allowed",
    404: "Unknown",
    405: "Not with this method",
    408: "The request arrived too slowly",
    409: "Refused",
    412: "Another version than If-Match names",
    413: "The body is too large",
    414: "Path and query are too long",
    415: "The body is not application/json",
    422: "Not valid",
    429: "Too many attempts, commands, streams or connections",
    431: "The headers are too large",
    500: "A fault on our side",
    503: "Not available now, or undecided",
}
LOCATION = {"Location": {"description": "The path of the result", "schema": {"type": "string", "maxLength": 2_000}}}
ETAG = {"ETag": {"description": "The version in quotes", "schema": {"type": "string", "pattern": '^"[0-9]+"$'}}}
RETRY_AFTER_HEADER = {
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1, "maximum": 3_600}}
}
#: What the server sends before it looks at the path.
SERVER_PROBLEMS = (400, 408, 414, 429, 431)
#: What any call with a body, and any call of signed-in staff, can answer.
BODY_PROBLEMS = (400, 413, 415, 422)
STAFF_PROBLEMS = (401, 403)
#: What a command to a visit can answer.
COMMAND_PROBLEMS = (*STAFF_PROBLEMS, *BODY_PROBLEMS, 404, 409)
#: Calls without a session.
OPEN_PATHS = frozenset({"/api/session"})
SCHEMA_PATH = "#/components/schemas/{model}"

Responses = dict[int | str, dict[str, Any]]


def responses(
    success: dict[int, type[Any] | None], *problems: int, refused: bool = False, etag: bool = False
) -> Responses:
    """The `responses` of a route: successes with their shapes, and problems.

    `refused`: a 409 is a visit's refusal. `etag`: the answer is a record with a version.
    """
    described: Responses = {}
    for status, shape in success.items():
        described[status] = {"description": DESCRIPTIONS[status]} | ({} if shape is None else {"model": shape})
        headers = (LOCATION if status in (201, 202) else {}) | (ETAG if etag else {})
        if headers:
            described[status]["headers"] = headers
    for status in sorted({*problems, *SERVER_PROBLEMS, 500, 503}):
        described[status] = _described_problem(status, Refusal if refused and status == 409 else Problem)
    return described


def _described_problem(status: int, problem: type[Any] = Problem) -> dict[str, Any]:
    described = {"description": DESCRIPTIONS[status], "content": _content(problem)}
    return described | ({"headers": RETRY_AFTER_HEADER} if status in (429, 503) else {})


def _content(problem: type[Any]) -> dict[str, Any]:
    # A reference, and no model: FastAPI would build the model again for each of some 200 responses, at each start of the API.
    return {PROBLEM_JSON: {"schema": {"$ref": SCHEMA_PATH.format(model=problem.__name__)}}}


def _problem_schemas() -> dict[str, Any]:
    """The schemas to which `_content` refers, and those that they refer to."""
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (shape.__name__, "serialization", TypeAdapter(shape)) for shape in (Problem, Refusal)
    ]
    schemas: dict[str, Any] = TypeAdapter.json_schemas(adapters, ref_template=SCHEMA_PATH)[1]["$defs"]
    return schemas


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The whole document, built once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["components"]["securitySchemes"] = {
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        }
        for default_schema in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(default_schema, None)
        document["components"]["schemas"] |= _problem_schemas()
        document["paths"]["/api/events"] = {"get": _event_stream()}
        # The route takes any text, because a key that no client can have sent is just unknown.
        document["paths"]["/api/requests/{key}"]["get"]["parameters"][0]["schema"] |= KEY_SCHEMA
        for route in app.routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    document["paths"][route.path_format][method.lower()]["operationId"] = route.name
        for path, calls in document["paths"].items():
            for method, call in calls.items():
                _correct(call, is_open=path in OPEN_PATHS and method == "post")
        app.openapi_schema = document
    return app.openapi_schema


@lru_cache(maxsize=1)
def document_text(app: FastAPI) -> bytes:
    """The document as JSON. Anyone may ask for it, so it is rendered once."""
    return json.dumps(openapi_document(app), ensure_ascii=False, separators=(",", ":")).encode()


def _correct(call: dict[str, Any], *, is_open: bool) -> None:
    # FastAPI adds its own 422 body. Ours is a problem, and is listed only where it can happen.
    if "HTTPValidationError" in str(call["responses"].get("422")):
        del call["responses"]["422"]
    if "401" in call["responses"] and not is_open:
        call["security"] = [{"session": []}, {"bearer": []}]


def _event_stream() -> dict[str, Any]:
    channels = {"type": "string", "minLength": 1, "maxLength": MOST_CHANNELS * (LONGEST_CHANNEL + 1) - 1}
    described: dict[str, Any] = {
        str(status): _described_problem(status) for status in (*SERVER_PROBLEMS, 401, 403, 405, 422, 500, 503)
    }
    described["200"] = {
        "description": "Server-Sent Events, without end",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return {
        "operationId": "read_events",
        "summary": "The event stream",
        "tags": ["events"],
        "parameters": [
            {
                "name": "channels",
                "in": "query",
                "description": "`consultations`, `doctor.{id}`, by comma",
                "schema": channels,
            },
            {
                "name": "last_event_id",
                "in": "query",
                "description": "Resume after this event",
                "schema": {"type": "string", "maxLength": DEFAULT_LIMITS.max_url},
            },
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The same cursor in a header. If both are sent, the header counts.",
                "schema": {"type": "string", "maxLength": DEFAULT_LIMITS.max_head},
            },
        ],
        "responses": described,
    }
