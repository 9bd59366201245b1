"""Calls and problem codes in `docs/api.md` are those of the code, with their roles and statuses."""

import ast
from collections.abc import Iterator
from inspect import getclosurevars
from typing import get_args

from fastapi.routing import APIRoute

from patient_visit_engine.api.access.authentication import STAFF_ROLES, current_caller
from patient_visit_engine.api.routes import ROUTERS
from patient_visit_engine.live import refusals as stream_refusals
from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.refusals import Refusal
from patient_visit_engine.wire.refusals import status_of
from tests.support.documented_calls import PAGE, documented_calls
from tests.support.pages import ROOT, code_of, rows

#: The page's status for errors of the framework, which have many.
STATUS_OF_FRAMEWORK = "4xx"


def calls_in_code() -> dict[str, frozenset[Role]]:
    """Every call with its allowed roles; an empty set when no sign-in is needed."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    calls = {f"{method} {route.path_format}": _roles_of(route) for route in routes for method in route.methods or ()}
    return calls | {"GET /api/events": frozenset((*STAFF_ROLES, Role.wall))}


def _roles_of(route: APIRoute) -> frozenset[Role]:
    dependencies = [*route.dependant.dependencies]
    for dependency in dependencies:
        dependencies += dependency.dependencies
        if dependency.call is current_caller:
            return frozenset(Role)
        if dependency.call is not None and dependency.call.__name__ == "with_role":
            return frozenset(getclosurevars(dependency.call).nonlocals["roles"])
    return frozenset()


def problems_in_code() -> set[tuple[str, str]]:
    return {*_problems_of_visits(), *_problems_of_streams(), *_problems_of_api()}


def _problems_of_visits() -> Iterator[tuple[str, str]]:
    for refusal in get_args(get_args(Refusal)[0]):
        yield str(status_of(refusal)), refusal.model_fields["code"].default


def _problems_of_streams() -> Iterator[tuple[str, str]]:
    for refusal in stream_refusals.StreamRefusedError.__subclasses__():
        status = "429" if refusal is stream_refusals.TooManyStreamsError else "503"
        yield status, refusal.code


def _problems_of_api() -> Iterator[tuple[str, str]]:
    """The problems that the source raises: `Problem(status, code)`, its subclasses, and `NotFound(what)`."""
    for path in (ROOT / "api").rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name, arguments = ast.unparse(call.func), [ast.unparse(argument) for argument in call.args]
            if name == "NotFound":
                yield from (("404", f"unknown_{kind}") for kind in _kinds(arguments[0]))
            elif name in ("Problem", "super().__init__") and len(arguments) > 2 and arguments[1][0] in "'\"":
                yield arguments[0] if arguments[0].isdecimal() else STATUS_OF_FRAMEWORK, ast.literal_eval(arguments[1])


def _kinds(argument: str) -> list[str]:
    """The kinds of records that the argument of `NotFound` stands for."""
    return [str(kind) for kind in RecordKind] if argument == "kind.value" else [ast.literal_eval(argument)]


def test_page_lists_every_call_with_its_roles() -> None:
    assert documented_calls() == calls_in_code()


def test_page_lists_every_problem_with_status() -> None:
    documented = {(row[0], code_of(row[1])) for row in rows(PAGE, "status", "code", "it means", "do")}

    assert documented == problems_in_code()


def test_page_says_what_to_do_for_each_problem() -> None:
    assert [row for row in rows(PAGE, "status", "code", "it means", "do") if not all(row)] == []
