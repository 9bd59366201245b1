"""Identifies the caller of a request by cookie or bearer token, and checks the caller's role."""

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from patient_visit_engine.api.access.sessions import COOKIE, Caller, Sessions
from patient_visit_engine.api.access.tokens import Tokens
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.visit.codes import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_SITE = frozenset({"same-origin", "none"})
#: The roles that may read what concerns patients.
STAFF_ROLES = (Role.doctor, Role.reception, Role.supervisor, Role.service)


class Authentication:
    """Identifies the caller of a request by its bearer token, or else by its session cookie."""

    def __init__(self, sessions: Sessions, tokens: Tokens) -> None:
        self._sessions = sessions
        self._tokens = tokens

    async def keep_keys_fresh(self) -> None:
        """Fetch the keys of bearer tokens again and again, if a key server has them, until cancelled."""
        if self._tokens.key_server is not None:
            await self._tokens.key_server.keep_fresh()

    def close(self) -> None:
        """Stop a running fetch of keys."""
        if self._tokens.key_server is not None:
            self._tokens.key_server.close()

    async def authenticate(self, connection: HTTPConnection) -> Caller:
        """Return the caller. Raises Problem 401 `not_signed_in` or `bad_token`, or 403 `cross_site`."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            # No other site can make a browser send a bearer token, so this needs no check for cross-site requests.
            return await self._tokens.authenticate(token.strip())
        cookie = connection.cookies.get(COOKIE)
        caller = None if cookie is None else await self._sessions.find(cookie)
        if caller is None:
            raise not_signed_in()
        if connection.scope.get("method", "GET") not in SAFE_METHODS:
            refuse_cross_site(connection)
        return caller


def not_signed_in() -> Problem:
    return Problem(401, "not_signed_in", "Sign in first", headers={"WWW-Authenticate": "Bearer"})


def refuse_cross_site(connection: HTTPConnection) -> None:
    """Raise Problem 403 `cross_site` when the browser's headers name another site as the origin of this request."""
    headers = connection.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    cross_site = (
        site not in OWN_SITE if site is not None else origin is not None and not _is_own_origin(origin, headers)
    )
    if cross_site:
        raise Problem(403, "cross_site", "Requests from another site are not allowed")


def _is_own_origin(origin: str, headers: Headers) -> bool:
    try:
        sender = urlsplit(origin)
        port = sender.port or DEFAULT_PORTS[sender.scheme]
        own = urlsplit(f"{sender.scheme}://{headers.get('host', '')}")
        return (sender.hostname, port) == (own.hostname, own.port or DEFAULT_PORTS[own.scheme])
    except (KeyError, ValueError):
        return False


async def current_caller(request: Request) -> Caller:
    """A dependency that accepts a caller of any role."""
    authentication: Authentication = request.app.state.dependencies.authentication
    return await authentication.authenticate(request)


def check_role(caller: Caller, roles: Collection[Role]) -> Caller:
    """Return the caller. Raises Problem 403 `wrong_role` when the caller has none of these roles."""
    if caller.role not in roles:
        raise Problem(403, "wrong_role", "Your role may not do this")
    return caller


def require_role(*roles: Role) -> Callable[[Request], Awaitable[Caller]]:
    """Create a dependency that accepts these roles. Other roles get 403 `wrong_role`."""

    async def with_role(request: Request) -> Caller:
        return check_role(await current_caller(request), roles)

    return with_role


def not_yours() -> Problem:
    """The problem for a consultation or appointment of another doctor."""
    return Problem(403, "not_yours", "This belongs to another doctor")


SignedIn = Annotated[Caller, Depends(current_caller)]
Staff = Annotated[Caller, Depends(require_role(*STAFF_ROLES))]
Person = Annotated[Caller, Depends(require_role(*(role for role in Role if role is not Role.wall)))]
Wall = Annotated[Caller, Depends(require_role(Role.wall))]
StaffOrAdmin = Annotated[Caller, Depends(require_role(*STAFF_ROLES, Role.admin))]
Doctor = Annotated[Caller, Depends(require_role(Role.doctor))]
Admin = Annotated[Caller, Depends(require_role(Role.admin))]
Supervisor = Annotated[Caller, Depends(require_role(Role.supervisor))]
DoctorOrSupervisor = Annotated[Caller, Depends(require_role(Role.doctor, Role.supervisor))]
DoctorOrReception = Annotated[Caller, Depends(require_role(Role.doctor, Role.reception))]
ReceptionOrSupervisor = Annotated[Caller, Depends(require_role(Role.reception, Role.supervisor))]
DoctorReceptionOrSupervisor = Annotated[Caller, Depends(require_role(Role.doctor, Role.reception, Role.supervisor))]
DoctorReceptionSupervisorOrService = Annotated[
    Caller, Depends(require_role(Role.doctor, Role.reception, Role.supervisor, Role.service))
]
MasterDataSender = Annotated[Caller, Depends(require_role(Role.service, Role.supervisor))]
#: For what has no patient: doctors and prestations.
MasterDataSenderOrAdmin = Annotated[Caller, Depends(require_role(Role.service, Role.supervisor, Role.admin))]
