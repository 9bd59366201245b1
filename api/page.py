"""The built page: its files, one document for all its addresses, and what a browser lets it do; it must not know what it shows."""

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from patient_visit_engine.api.problems import Problem

#: Where the build puts the page.
BUILT = Path(__file__).parent / "built_page"
DOCUMENT = "index.html"
#: The folder of files whose names change with their content.
HASHED = "/assets/"
#: Everything from here, nothing inline, no form that leaves by itself, in nobody's frame.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"


def built(folder: Path = BUILT) -> Path | None:
    """The folder of the page, where it was built."""
    return folder if (folder / DOCUMENT).exists() else None


class _Files(StaticFiles):
    """The page's own addresses lead to its document, which finds out by itself what they mean."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            # A file has an ending; what has none is an address within the page.
            if error.status_code != 404 or "." in path.rpartition("/")[2]:
                raise
            return await super().get_response(DOCUMENT, scope)


class Page:
    """Answers GET and HEAD of all that is not the API's."""

    def __init__(self, folder: Path) -> None:
        self._files: ASGIApp = GZipMiddleware(_Files(directory=folder, html=True), minimum_size=500)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                kept = scope["path"].startswith(HASHED) and message["status"] in (200, 304)
                headers["Cache-Control"] = FOR_GOOD if kept else ASK_FIRST
            await send(message)

        try:
            await self._files(scope, receive, told)
        except HTTPException as error:
            code = "method_not_allowed" if error.status_code == 405 else "not_found"
            await Problem(error.status_code, code, "There is no such page").response()(scope, receive, told)
