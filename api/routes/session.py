"""Signing in and out, and who is signed in; it must not know how a password is kept."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Staff, refuse_cross_site
from patient_visit_engine.api.access.sessions import COOKIE
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import OF_BODY, answers
from patient_visit_engine.wire import shapes

router = APIRouter(tags=["session"])


@router.post(
    "/api/session", status_code=204, response_model=None, responses=answers({204: None}, 401, 403, 429, *OF_BODY)
)
async def sign_in(body: bodies.Credentials, http: Request) -> Response:
    """Begin a session and set its cookie."""
    refuse_cross_site(http)
    sessions = dependencies_of(http).sessions
    address = http.client.host if http.client is not None else ""
    token = await sessions.sign_in(body.username, body.password.get_secret_value(), address)
    answer = Response(status_code=204)
    _set_cookie(http, answer, token, int(sessions.lifetime.total_seconds()))
    return answer


@router.get("/api/session", response_model=None, responses=answers({200: shapes.SignedInUser}, 401))
async def show_session(caller: Staff, http: Request) -> Response:
    """Who is signed in, and by which time zone the house lives."""
    who = {"user_id": caller.created_by, "name": caller.name, "role": caller.role.value, "doctor_id": caller.doctor_id}
    return JSONResponse(who | {"timezone": dependencies_of(http).settings.timezone})


@router.delete("/api/session", status_code=204, response_model=None, responses=answers({204: None}, 401, 403, 413))
async def sign_out(caller: Staff, http: Request) -> Response:
    """End the session, and with it its event streams; a bearer token ends by itself."""
    parts = dependencies_of(http)
    if caller.by_cookie:
        await parts.sessions.sign_out(caller.session)
        if parts.hub is not None:
            parts.hub.revoke(caller.session)
    answer = Response(status_code=204)
    _set_cookie(http, answer, "", 0)
    return answer


def _set_cookie(http: Request, answer: Response, token: str, seconds: int) -> None:
    answer.set_cookie(
        COOKIE, token, max_age=seconds, path="/", secure=http.url.scheme == "https", httponly=True, samesite="lax"
    )
