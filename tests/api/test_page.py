"""The built page: its document at each view, its files, a 404 problem everywhere else, and its security policy."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.gateway import MAX_BODY
from patient_visit_engine.api.page import CACHE_FOR_A_YEAR, VIEWS, find_built_page
from patient_visit_engine.storage.database import Database
from tests.support.api import settings_with

DOCUMENT = "<!doctype html><title>Patient visits</title>" + "<p></p>" * 100
ROUTER = Path(__file__).parents[2] / "web" / "page" / "src" / "router.ts"
#: The router's last route, for a view that does not exist.
EVERYTHING_ELSE = "/:elsewhere(.*)*"
SCRIPT = "export const page = 1;" * 100


def with_sent_path(app: ASGIApp) -> ASGIApp:
    """Takes the path from the header `Sent-Path`, because httpx would remove dots from an address before it sends it."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        sent = Headers(scope=scope).get("sent-path")
        if sent is not None:
            scope = {**scope, "path": unquote(sent), "raw_path": sent.encode()}
        await app(scope, receive, send)

    return call


def exact_path(path: str) -> dict[str, str]:
    """The header that sends the request to exactly this path."""
    return {"Sent-Path": path}


@pytest.fixture
async def page(on_sqlite: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API with a page of two files."""
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(DOCUMENT)
    (folder / "assets" / "index-a1b2.js").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("not for browsers")
    app = create_app(settings_with(), on_sqlite, None, None, page=folder)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_sent_path(app)), base_url="http://api") as client:
        yield client
    app.dependencies.sessions.close()


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/worklist",
        "/worklist?date=2026-03-02",
        "/worklist?next=/api/board&q=a.b%2Fc",
        "/desk",
        "/board/",
        "/Wall",
        "/waiting-room",
        "/sign-in",
        "/patients/123",
        "/patients/123/",
        "/patients/123/2026-03-02",
    ],
)
async def test_serves_document_at_each_view(page: httpx.AsyncClient, address: str) -> None:
    answer = await page.get(address)
    head = await page.head(address)

    assert (answer.status_code, answer.text) == (200, DOCUMENT)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == head.headers["cache-control"] == "no-cache"
    assert (head.status_code, head.content) == (200, b"")


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]
UNKNOWN = [
    "/api",
    "/api/",
    "/api/nothing",
    "/api/board/",
    "/api/index.html",
    "/api//board",
    "/api/../worklist",
    "/api%2Fnothing",
    "/%61pi",
    "/%2Fapi",
    "//api",
    "//api/board",
    "/API",
    "/Api/board",
    "/api.json",
    "/apix",
    "/fhir",
    "/fhir/",
    "/fhir/Patient/1",
    "/fhir%2FPatient",
    "/FHIR/metadata",
    "/assets",
    "/assets/",
    "/assets/missing",
    "/assets/index-0000.js",
    "/assets/index-a1b2.js/",
    "/assets//index-a1b2.js",
    "/assets/./index-a1b2.js",
    "/assets%2Findex-a1b2.js",
    "/Assets/worklist",
    "/index.html",
    "/no/such/page",
    "/worklist/1",
    "/worklist//",
    "//worklist",
    "/./worklist",
    "/board/../worklist",
    "/work%6Cist",
    "/worklist%2F",
    "/worklist%0A",
    "/worklist.html",
    "/wall.",
    "/patients",
    "/patients/",
    "/patients/abc",
    "/patients/12%203",
    "/patients/%D9%A1",
    "/patients/123/today",
    "/patients/123/2026-03-02/x",
    "/patients%2F123",
    "/.env",
    "/" + "x" * 5000,
    "/%00",
    "/%FF",
    "/..",
    "//",
]


@pytest.mark.parametrize("address", UNKNOWN)
async def test_answers_404_problem_at_unknown_path(page: httpx.AsyncClient, address: str) -> None:
    answers = {method: await page.request(method, "/", headers=exact_path(address)) for method in METHODS}

    assert {method: answer.status_code for method, answer in answers.items()} == dict.fromkeys(METHODS, 404)
    for answer in answers.values():
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answers.pop("HEAD").content == b""
    assert {answer.json()["code"] for answer in answers.values()} == {"not_found"}


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/fhir/Patient", "/nothing"])
async def test_unknown_path_is_404_with_any_body(page: httpx.AsyncClient, path: str) -> None:
    no_json = await page.post(path, content=b"a=1", headers={"Content-Type": "text/plain"})
    too_large = await page.put(path, content=b" " * (MAX_BODY + 1))

    for answer in (no_json, too_large):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["cache-control"] == "no-store"


def test_views_match_routes_of_router() -> None:
    routes = re.findall(r"""\bpath: ("[^"]+")""", ROUTER.read_text())

    assert [json.loads(path) for path in routes] == [*VIEWS, EVERYTHING_ELSE]


@pytest.mark.parametrize("address", ["/", "/assets/index-a1b2.js", "/nothing.js"])
async def test_policy_allows_only_own_files(page: httpx.AsyncClient, address: str) -> None:
    policy = (await page.get(address)).headers["content-security-policy"]

    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "connect-src", "img-src", "font-src")} == {"'self'"}
    assert {rules[name] for name in ("frame-ancestors", "base-uri", "form-action")} == {"'none'"}
    assert "unsafe" not in policy


async def test_hashed_files_are_cached_for_a_year(page: httpx.AsyncClient) -> None:
    script = await page.get("/assets/index-a1b2.js")
    unchanged_script = await page.get("/assets/index-a1b2.js", headers={"If-None-Match": script.headers["etag"]})
    missing = await page.get("/assets/index-0000.js")

    assert script.headers["cache-control"] == unchanged_script.headers["cache-control"] == CACHE_FOR_A_YEAR
    assert unchanged_script.status_code == 304
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert missing.headers["cache-control"] == "no-store"


async def test_compresses_files_on_request(page: httpx.AsyncClient) -> None:
    async with page.stream("GET", "/assets/index-a1b2.js", headers={"Accept-Encoding": "gzip"}) as answer:
        compressed = b"".join([portion async for portion in answer.aiter_raw()])
    plain = await page.get("/assets/index-a1b2.js", headers={"Accept-Encoding": "identity"})

    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed).decode() == plain.text == SCRIPT
    assert len(compressed) < len(SCRIPT) / 10


@pytest.mark.parametrize(
    "address", ["/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "//secret.txt"]
)
async def test_serves_no_file_outside_page(page: httpx.AsyncClient, address: str) -> None:
    answer = await page.get("/", headers=exact_path(address))

    assert "not for browsers" not in answer.text
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_refuses_other_methods_at_view(page: httpx.AsyncClient) -> None:
    answer = await page.post("/worklist", json={})

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert (answer.headers["allow"], answer.headers["cache-control"]) == ("GET, HEAD", "no-store")


async def test_api_paths_do_not_reach_page(page: httpx.AsyncClient) -> None:
    answer = await page.get("/api/nothing")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await page.get("/livez")).json() == {"status": "live"}


def test_finds_no_page_before_build(tmp_path: Path) -> None:
    assert find_built_page(tmp_path) is None
