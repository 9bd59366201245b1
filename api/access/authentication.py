"""From a request to its caller, by cookie or bearer token, and what each role may do; it must not know what a route is for."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from patient_visit_engine.api.access.sessions import COOKIE, Caller, Sessions
from patient_visit_engine.api.access.tokens import Tokens
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.visit.codes import Role

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443}
OUR_SITE = frozenset({"same-origin", "none"})


class Authentication:
    """Finds the caller of a request, by its bearer token or else its session."""

    def __init__(self, sessions: Sessions, tokens: Tokens) -> None:
        self._sessions = sessions
        self._tokens = tokens

    async def caller_of(self, connection: HTTPConnection) -> Caller:
        """Who asks. Raises Problem 401 `not_signed_in` or `bad_token`, or 403 `cross_site`."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            # No other site can make a browser send this: such a request needs no other proof of where it comes from.
            return await self._tokens.caller(token.strip())
        cookie = connection.cookies.get(COOKIE)
        caller = None if cookie is None else await self._sessions.find(cookie)
        if caller is None:
            raise not_signed_in()
        if connection.scope.get("method", "GET") not in SAFE:
            refuse_cross_site(connection)
        return caller


def not_signed_in() -> Problem:
    return Problem(401, "not_signed_in", "Sign in first", headers={"WWW-Authenticate": "Bearer"})


def refuse_cross_site(connection: HTTPConnection) -> None:
    """Raise Problem 403 `cross_site` when a browser says that another site made it send this request."""
    headers = connection.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    foreign = site not in OUR_SITE if site is not None else origin is not None and not _is_ours(origin, headers)
    if foreign:
        raise Problem(403, "cross_site", "Another site may not send this request")


def _is_ours(origin: str, headers: Headers) -> bool:
    try:
        theirs = urlsplit(origin)
        port = theirs.port or DEFAULT_PORTS[theirs.scheme]
        ours = urlsplit(f"{theirs.scheme}://{headers.get('host', '')}")
        return (theirs.hostname, port) == (ours.hostname, ours.port or DEFAULT_PORTS[ours.scheme])
    except (KeyError, ValueError):
        return False


async def signed_in(request: Request) -> Caller:
    """The caller, whatever the role."""
    authentication: Authentication = request.app.state.parts.authentication
    return await authentication.caller_of(request)


def only(*roles: Role) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that lets these roles through and answers others 403 `wrong_role`."""

    async def with_role(request: Request) -> Caller:
        caller = await signed_in(request)
        if caller.role not in roles:
            raise Problem(403, "wrong_role", "Your role may not do this")
        return caller

    return with_role


def not_yours() -> Problem:
    """Another doctor's consultation or appointment."""
    return Problem(403, "not_yours", "This belongs to another doctor")


Staff = Annotated[Caller, Depends(signed_in)]
Doctor = Annotated[Caller, Depends(only(Role.doctor))]
Supervisor = Annotated[Caller, Depends(only(Role.supervisor))]
Desk = Annotated[Caller, Depends(only(Role.doctor, Role.reception, Role.supervisor))]
Feed = Annotated[Caller, Depends(only(Role.service, Role.supervisor))]
