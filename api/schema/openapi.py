"""The OpenAPI document's words on answers, errors and rights; it must not change what a route does."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from patient_visit_engine.api.access.sessions import COOKIE
from patient_visit_engine.api.problems import PROBLEM_JSON
from patient_visit_engine.wire import shapes

MEANS = {
    200: "Done",
    201: "Created",
    202: "Accepted: the decision follows",
    204: "Done, nothing to say",
    400: "The body is not JSON",
    401: "Not signed in",
    403: "Not allowed",
    404: "Unknown",
    405: "Not with this method",
    409: "Refused",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "Not valid",
    429: "Too many attempts",
    500: "A fault on our side",
    503: "Not available now, or undecided",
}
LOCATION = {"Location": {"description": "Where it is", "schema": {"type": "string"}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
#: What every call with a body can be answered, and every call that asks a visit.
OF_BODY = (400, 413, 415, 422)
OF_STAFF = (401, 403)
OPEN = frozenset({"/api/session"})

Answers = dict[int | str, dict[str, Any]]


def answers(success: dict[int, type[BaseModel] | None], *problems: int, refused: bool = False) -> Answers:
    """The `responses` of a route: its successes with their models, its problems; 409 says no in a visit's words."""
    told: Answers = {}
    for status, model in success.items():
        told[status] = {"description": MEANS[status]} | ({} if model is None else {"model": model})
        if status in (201, 202):
            told[status]["headers"] = LOCATION
    for status in {*problems, 500, 503}:
        shape = shapes.Refusal if refused and status == 409 else shapes.Problem
        told[status] = {"model": shape, "description": MEANS[status]}
        if status in (429, 503):
            told[status]["headers"] = RETRY_AFTER
    return told


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        made["components"]["securitySchemes"] = {
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        }
        for guessed in ("HTTPValidationError", "ValidationError"):
            made["components"]["schemas"].pop(guessed, None)
        made["paths"]["/api/events"] = {"get": _events()}
        for route in app.routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    made["paths"][route.path_format][method.lower()]["operationId"] = route.name
        for address, calls in made["paths"].items():
            for method, call in calls.items():
                _refine(call, is_open=address in OPEN and method == "post")
        app.openapi_schema = made
    return app.openapi_schema


def _refine(call: dict[str, Any], *, is_open: bool) -> None:
    # The framework's own guess at what its validation says; ours says it as a problem, and is there where it can happen.
    if "HTTPValidationError" in str(call["responses"].get("422")):
        del call["responses"]["422"]
    for status, answer in call["responses"].items():
        if int(status) >= 400 and "application/json" in answer.get("content", {}):
            answer["content"] = {PROBLEM_JSON: answer["content"]["application/json"]}
    if "401" in call["responses"] and not is_open:
        call["security"] = [{"session": []}, {"bearer": []}]


def _events() -> dict[str, Any]:
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    text = {"schema": {"type": "string"}, "required": False}
    told = {
        str(status): {"description": MEANS[status], "content": dict(problem)}
        for status in (401, 403, 405, 422, 429, 500, 503)
    }
    told["200"] = {
        "description": "Server-Sent Events, without end",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return {
        "operationId": "read_events",
        "summary": "The event stream",
        "tags": ["events"],
        "parameters": [
            text | {"name": "channels", "in": "query", "description": "`consultations`, `doctor.{id}`, by comma"},
            text | {"name": "last_event_id", "in": "query", "description": "Resume behind this event"},
            text | {"name": "Last-Event-ID", "in": "header", "description": "The same; the header wins"},
        ],
        "responses": told,
    }
