"""Refuses query strings that a call would read only in part: a repeated parameter, and any parameter of a call without a query."""

from collections import Counter
from typing import Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

#: Only these parameters may be repeated. Of any other one, FastAPI would read the last value.
REPEATABLE = frozenset({"status"})


async def check_query(http: Request) -> None:
    """A dependency that raises RequestValidationError."""
    counts = Counter(name for name, _ in http.query_params.multi_items())
    if not counts:
        return
    route = http.scope["route"]
    assert isinstance(route, APIRoute), "only a call has dependencies"
    if not route.dependant.query_params:
        raise RequestValidationError([_error(name, "extra_forbidden", "Unknown field") for name in counts])
    repeated = [name for name, count in counts.items() if count > 1 and name not in REPEATABLE]
    if repeated:
        raise RequestValidationError([_error(name, "repeated", "must not be repeated") for name in repeated])


def _error(name: str, kind: str, message: str) -> dict[str, Any]:
    return {"type": kind, "loc": ("query", name), "msg": message}


QUERY_CHECK = Depends(check_query)
