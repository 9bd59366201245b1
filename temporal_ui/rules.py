"""Which requests may reach Temporal's UI. Pure rules, without HTTP library and network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

READING_METHODS = frozenset({"GET", "HEAD"})
#: The calls that read although their method is POST. The page of a visit asks the worker for the visit's state, its stack and its
#: summary in this way. A query cannot change a workflow. The last part takes letters and digits only: with a colon, Temporal's
#: HTTP interface would read a verb from it.
READING_POSTS = (re.compile(r"/api/v1/namespaces/[^/]+/workflows/[^/]+/query/[A-Za-z0-9_]+"),)
#: Everything below this path is data or a change. Other paths are the UI's own pages and scripts.
DATA_PATH = "/api/"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class UiRequest:
    """What the rules look at. `path` is the path as sent, still encoded. Each header is a list of all its values."""

    method: str
    path: str
    hosts: Sequence[str]
    origins: Sequence[str] = ()
    fetch_sites: Sequence[str] = ()


@dataclass(frozen=True)
class UiRefusal:
    """Why a request does not pass: the HTTP status, a stable code, and a text for people that names the setting."""

    status: int
    code: str
    text: str


class UiRules:
    """The rules for a UI at `port` of this machine. `public_url` is its address for browsers, or empty."""

    def __init__(self, port: int, public_url: str, *, writes_allowed: bool) -> None:
        public = urlsplit(public_url)
        port_suffixes = ("", ":80") if port == 80 else (f":{port}",)
        local_hosts = {f"{name}{suffix}" for name in LOOPBACK_NAMES for suffix in port_suffixes}
        self._hosts = local_hosts | {public.netloc.lower()} - {""}
        self._origins = {f"http://{host}" for host in local_hosts} | {f"{public.scheme}://{public.netloc}".lower()}
        self._writes_allowed = writes_allowed

    @property
    def writes_allowed(self) -> bool:
        return self._writes_allowed

    def find_refusal(self, request: UiRequest) -> UiRefusal | None:
        """Why the request must not pass, or None."""
        return (
            self._check_host(request)
            or _check_path(request)
            or self._check_origin(request)
            or self._check_change(request)
        )

    def _check_host(self, request: UiRequest) -> UiRefusal | None:
        if len(request.hosts) != 1:
            return UiRefusal(400, "one_host_needed", "A request needs exactly one Host header")
        # A foreign site can point its own host name at this machine. Its scripts could then read and end visits.
        if request.hosts[0].lower() not in self._hosts:
            allowed = "127.0.0.1 or localhost with the port in VISIT_UI_PORT, or the host in VISIT_TEMPORAL_UI_URL"
            return UiRefusal(403, "foreign_host", f"Temporal's UI answers only for these hosts: {allowed}")
        return None

    def _check_origin(self, request: UiRequest) -> UiRefusal | None:
        """Scripts of other sites get no data. A link from another site may open a page."""
        if not request.path.startswith(DATA_PATH) and request.method in READING_METHODS:
            return None
        foreign = set(request.fetch_sites) - {"same-origin", "none"} or {
            origin for origin in request.origins if origin.lower() not in self._origins
        }
        unnamed = request.method not in READING_METHODS and not request.origins and not request.fetch_sites
        if foreign or unnamed:
            return UiRefusal(403, "foreign_origin", "Only the pages of Temporal's UI may send this request")
        return None

    def _check_change(self, request: UiRequest) -> UiRefusal | None:
        reads = request.method in READING_METHODS or (
            request.method == "POST" and any(pattern.fullmatch(request.path) for pattern in READING_POSTS)
        )
        if reads or self._writes_allowed:
            return None
        return UiRefusal(
            403, "writes_are_off", "Changes through Temporal's UI are off. Set VISIT_UI_WRITES=1 to allow them"
        )


def _check_path(request: UiRequest) -> UiRefusal | None:
    """No segment of the path may be a dot. The client resolves them, and would then ask for another path than the checked one."""
    segments = re.split(r"/|%2f|\\|%5c", request.path.lower().replace("%2e", "."))
    if any(segment in (".", "..") for segment in segments):
        return UiRefusal(400, "bad_path", "A path may not have the segments . and ..")
    return None
