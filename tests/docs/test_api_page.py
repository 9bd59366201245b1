"""The calls and problem codes of `docs/api.md` are those of the code, with their statuses."""

import ast
from collections.abc import Iterator
from inspect import getclosurevars
from typing import get_args

from fastapi.routing import APIRoute

from patient_visit_engine.api.access.authentication import signed_in
from patient_visit_engine.api.routes import appointments, consultations, master_data, operations, patients, session
from patient_visit_engine.live import refusals as stream_refusals
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.refusals import Refusal
from patient_visit_engine.wire.refusals import status_of
from tests.support.pages import DOCS, ROOT, code_of, rows

PAGE = DOCS / "api.md"
#: The framework's own refusals keep their status.
OWN_STATUS = "4xx"


#: How the page says who may ask.
WHO = {
    "anyone": frozenset[Role](),
    "staff": frozenset(Role),
    "who asked": frozenset(Role),
    "that doctor": frozenset({Role.doctor}),
    "its doctor": frozenset({Role.doctor}),
    "its doctor, reception, supervisor": frozenset({Role.doctor, Role.reception, Role.supervisor}),
    "supervisor": frozenset({Role.supervisor}),
    "service, supervisor": frozenset({Role.service, Role.supervisor}),
}


def calls_in_code() -> dict[str, frozenset[Role]]:
    """Every call, and the roles that it lets through; none where nobody needs to sign in."""
    subjects = (session, consultations, appointments, patients, master_data, operations)
    routes = [route for subject in subjects for route in subject.router.routes if isinstance(route, APIRoute)]
    served = {f"{method} {route.path_format}": _roles(route) for route in routes for method in route.methods or ()}
    return served | {"GET /api/events": frozenset(Role)}


def _roles(route: APIRoute) -> frozenset[Role]:
    for dependency in route.dependant.dependencies:
        if dependency.call is signed_in:
            return frozenset(Role)
        if dependency.call is not None and dependency.call.__name__ == "with_role":
            return frozenset(getclosurevars(dependency.call).nonlocals["roles"])
    return frozenset()


def problems_in_code() -> set[tuple[str, str]]:
    return {*_of_visits(), *_of_streams(), *_of_master_data(), *_of_the_api()}


def _of_visits() -> Iterator[tuple[str, str]]:
    for refusal in get_args(get_args(Refusal)[0]):
        yield str(status_of(refusal)), refusal.model_fields["code"].default


def _of_streams() -> Iterator[tuple[str, str]]:
    for refusal in stream_refusals.StreamRefusedError.__subclasses__():
        many = refusal is stream_refusals.TooManyStreamsError
        yield ("429" if many else "503"), refusal.code


def _of_master_data() -> Iterator[tuple[str, str]]:
    yield from (("409", code) for code in master_data.NOT_REPLACEABLE_TITLES)


def _of_the_api() -> Iterator[tuple[str, str]]:
    """What the source raises by name: `Problem(status, code)`, its subclasses, and `NotFound(what)`."""
    for path in (ROOT / "api").rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name, arguments = ast.unparse(call.func), [ast.unparse(argument) for argument in call.args]
            if name == "NotFound":
                yield "404", f"unknown_{ast.literal_eval(arguments[0])}"
            elif name in ("Problem", "super().__init__") and len(arguments) > 2 and arguments[1][0] in "'\"":
                yield arguments[0] if arguments[0].isdecimal() else OWN_STATUS, ast.literal_eval(arguments[1])


def test_every_call_is_on_the_page_with_who_may_ask_and_every_one_there_exists() -> None:
    assert {code_of(row[0]): WHO[row[1]] for row in rows(PAGE, "call", "who", "answers")} == calls_in_code()


def test_every_problem_is_on_the_page_with_its_status_and_every_one_there_exists() -> None:
    told = {(row[0], code_of(row[1])) for row in rows(PAGE, "status", "code", "it means", "do")}

    assert told == problems_in_code()


def test_every_problem_says_what_to_do() -> None:
    assert [row for row in rows(PAGE, "status", "code", "it means", "do") if not all(row)] == []
