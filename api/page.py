"""Serves the built page: its files, one document for all its views, and its security headers."""

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from patient_visit_engine.api.problems import Problem, method_not_allowed
from patient_visit_engine.api.request_ids import id_header

#: The folder that the build writes the page to.
BUILT = Path(__file__).parent / "built_page"
DOCUMENT = "index.html"
#: The path of files with a hash of their content in the name.
HASHED = "/assets/"
#: Allows only files of this origin: no inline code, no form submission, and no frame around the page.
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
CACHE_FOR_A_YEAR = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
NO_STORE = "no-store"
PAGE_METHODS = ("GET", "HEAD")
#: The views of the page, written as in `web/page/src/router.ts`. A test compares the two lists.
VIEWS = (
    "/sign-in",
    "/worklist",
    "/desk",
    "/board",
    "/wall",
    "/waiting-room",
    r"/patients/:patient(\d+)/:date(\d{4}-\d{2}-\d{2})?",
    r"/report/:date(\d{4}-\d{2}-\d{2})?",
    "/admin",
    "/",
)


def find_built_page(folder: Path = BUILT) -> Path | None:
    """The folder of the page, or None when the page was not built."""
    return folder if (folder / DOCUMENT).exists() else None


def _view_pattern(views: Sequence[str]) -> re.Pattern[str]:
    """Matches the paths that vue-router matches: in upper or lower case, with or without a slash at the end."""
    patterns = [re.sub(r"/:\w+\(([^()]+)\)(\??)", r"(?:/\1)\2", view.removesuffix("/")) for view in views]
    return re.compile(f"(?:{'|'.join(patterns)})/?", re.ASCII | re.IGNORECASE)


VIEW = _view_pattern(VIEWS)


class _Files(StaticFiles):
    """Serves the document at each view, and each file at its own path. Raises HTTPException 404 for every other path."""

    def get_path(self, scope: Scope) -> str:
        path: str = scope["path"]
        if b"%" in scope.get("raw_path", b""):
            # No path of the page needs percent-encoding. Decoded, `/assets%2Fx.js` would be a second path of one file.
            raise HTTPException(404)
        if VIEW.fullmatch(path):
            return DOCUMENT
        file = path.removeprefix("/")
        if file == DOCUMENT or posixpath.normpath(path) != path:
            raise HTTPException(404)
        return file

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] not in PAGE_METHODS:
            # StaticFiles looks at the method first, but a path that does not exist is 404 with every method.
            await super().get_response(path, {**scope, "method": "GET"})
        return await super().get_response(path, scope)


class Page:
    """Serves the built page. A path that is not the page's own gets a 404 problem, with every method."""

    def __init__(self, folder: Path) -> None:
        self._files: ASGIApp = GZipMiddleware(_Files(directory=folder), minimum_size=500)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Cache-Control"] = _cache_control(scope["path"], message["status"])
                message["headers"] = [*message["headers"], id_header()]
            await send(message)

        try:
            await self._files(scope, receive, send_with_headers)
        except HTTPException as error:
            await _problem(error).response()(scope, receive, send_with_headers)


def _cache_control(path: str, status: int) -> str:
    if status not in (200, 206, 304):
        return NO_STORE
    return CACHE_FOR_A_YEAR if path.startswith(HASHED) else REVALIDATE


def _problem(error: HTTPException) -> Problem:
    if error.status_code == 405:
        return method_not_allowed(PAGE_METHODS)
    return Problem(404, "not_found", "There is no such page")
