"""Signing in and out, and who is signed in."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Person, SignedIn, not_signed_in, refuse_cross_site
from patient_visit_engine.api.access.session_cookies import set_cookie
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.schema import account_requests
from patient_visit_engine.api.schema.openapi import BODY_PROBLEMS, STAFF_PROBLEMS, responses
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.wire import account_bodies

router = APIRouter(tags=["session"])


@router.post(
    "/api/session",
    status_code=204,
    response_model=None,
    responses=responses({204: None}, 401, 403, 429, *BODY_PROBLEMS),
)
async def sign_in(body: account_requests.Credentials, http: Request) -> Response:
    """Begin a session and set its cookie."""
    refuse_cross_site(http)
    sessions = dependencies_of(http).sessions
    address = _address_of(http)
    if "x-forwarded-for" in http.headers and not dependencies_of(http).settings.trusted_proxies:
        sessions.note_ignored_proxy(address)
    token = await sessions.sign_in(body.username, body.password.get_secret_value(), address)
    response = Response(status_code=204)
    set_cookie(http, response, token, int(sessions.lifetime.total_seconds()))
    return response


@router.get("/api/session", response_model=None, responses=responses({200: account_bodies.SignedInUser}, 401))
async def show_session(caller: SignedIn, http: Request) -> Response:
    """Who is signed in, with the hospital's time zone, the start of its days, and its rule for busy doctors."""
    settings = dependencies_of(http).settings
    user: account_bodies.SignedInUser = {
        "user_id": caller.created_by,
        "name": caller.name,
        "role": caller.role,
        "doctor_id": caller.doctor_id,
        "timezone": settings.timezone,
        "day_starts": settings.day_starts.isoformat("minutes"),
        "doctor_busy": settings.doctor_busy,
        "expires_at": to_rfc3339(caller.expires_at),
    }
    return JSONResponse(user)


@router.delete("/api/session", status_code=204, response_model=None, responses=responses({204: None}, 401, 403, 413))
async def sign_out(caller: SignedIn, http: Request) -> Response:
    """End the session and its event streams. A bearer token stays valid until it expires."""
    dependencies = dependencies_of(http)
    if caller.by_cookie:
        await dependencies.sessions.sign_out(caller.session)
        if dependencies.hub is not None:
            dependencies.hub.revoke(caller.session)
    response = Response(status_code=204)
    set_cookie(http, response, "", 0)
    return response


@router.put(
    "/api/session/password",
    status_code=204,
    response_model=None,
    responses=responses({204: None}, *STAFF_PROBLEMS, *BODY_PROBLEMS),
)
async def change_password(body: account_requests.ChangePassword, caller: Person, http: Request) -> Response:
    """Change the caller's own password. The account's other sessions end."""
    if not caller.by_cookie:
        raise Problem(403, "no_password", "A bearer token has no password here")
    old, new = body.old.get_secret_value(), body.new.get_secret_value()
    if not await dependencies_of(http).sessions.change_password(caller, old, new, _address_of(http)):
        raise not_signed_in()
    return Response(status_code=204)


def _address_of(http: Request) -> str:
    return http.client.host if http.client is not None else ""
