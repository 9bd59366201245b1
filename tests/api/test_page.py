"""How the page is served: its document at every address of its own, its files for good, and a policy that lets nothing else in."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.page import FOR_GOOD, built
from patient_visit_engine.storage.database import Database
from tests.api.conftest import settings_with

DOCUMENT = "<!doctype html><title>Patient visits</title>" + "<p></p>" * 100
SCRIPT = "export const page = 1;" * 100


@pytest.fixture
async def page(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that serves a page of two files."""
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(DOCUMENT)
    (folder / "assets" / "index-a1b2.js").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("not for browsers")
    app = create_app(settings_with(), database, None, None, page=folder)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://clinic") as client:
        yield client
    app.parts.sessions.close()


@pytest.mark.parametrize("address", ["/", "/worklist?date=2026-03-02", "/patients/123/2026-03-02", "/no/such/page"])
async def test_every_address_of_the_page_leads_to_its_document(page: httpx.AsyncClient, address: str) -> None:
    answer = await page.get(address)

    assert (answer.status_code, answer.text) == (200, DOCUMENT)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("address", ["/", "/assets/index-a1b2.js", "/nothing.js"])
async def test_nothing_inline_and_nothing_from_elsewhere_is_let_in(page: httpx.AsyncClient, address: str) -> None:
    policy = (await page.get(address)).headers["content-security-policy"]

    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "connect-src", "img-src", "font-src")} == {"'self'"}
    assert {rules[name] for name in ("frame-ancestors", "base-uri", "form-action")} == {"'none'"}
    assert "unsafe" not in policy


async def test_a_file_whose_name_changes_with_its_content_is_kept_for_good(page: httpx.AsyncClient) -> None:
    script = await page.get("/assets/index-a1b2.js")
    again = await page.get("/assets/index-a1b2.js", headers={"If-None-Match": script.headers["etag"]})
    missing = await page.get("/assets/index-0000.js")

    assert script.headers["cache-control"] == again.headers["cache-control"] == FOR_GOOD
    assert again.status_code == 304
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert missing.headers["cache-control"] != FOR_GOOD


async def test_files_are_sent_compressed_to_who_takes_that(page: httpx.AsyncClient) -> None:
    async with page.stream("GET", "/assets/index-a1b2.js", headers={"Accept-Encoding": "gzip"}) as answer:
        sent = b"".join([portion async for portion in answer.aiter_raw()])
    plain = await page.get("/assets/index-a1b2.js", headers={"Accept-Encoding": "identity"})

    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(sent).decode() == plain.text == SCRIPT
    assert len(sent) < len(SCRIPT) / 10


@pytest.mark.parametrize(
    "address", ["/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "//secret.txt"]
)
async def test_nothing_beside_the_page_is_served(page: httpx.AsyncClient, address: str) -> None:
    answer = await page.get(httpx.URL("http://clinic").copy_with(raw_path=address.encode()))

    assert "not for browsers" not in answer.text
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_page_takes_no_other_method(page: httpx.AsyncClient) -> None:
    answer = await page.post("/worklist", json={})

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


async def test_calls_are_not_taken_for_pages(page: httpx.AsyncClient) -> None:
    answer = await page.get("/api/nothing")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await page.get("/livez")).json() == {"status": "live"}


def test_where_no_page_was_built_there_is_none(tmp_path: Path) -> None:
    assert built(tmp_path) is None
