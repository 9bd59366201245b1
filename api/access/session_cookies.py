"""The cookie of a session in an answer."""

from starlette.requests import Request
from starlette.responses import Response

from patient_visit_engine.api.access.sessions import COOKIE


def set_cookie(http: Request, response: Response, token: str, seconds: int) -> None:
    """Set the cookie for so many seconds. Zero removes it."""
    response.set_cookie(
        COOKIE, token, max_age=seconds, path="/", secure=http.url.scheme == "https", httponly=True, samesite="lax"
    )
