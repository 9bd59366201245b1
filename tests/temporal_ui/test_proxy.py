"""Temporal's UI through the proxy, with the real server, the proxy's process and a browser."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import Browser, Page
from temporalio.client import Client, WorkflowExecutionStatus

from patient_visit_engine.runtime import dev_server, namespace
from patient_visit_engine.runtime.settings import Settings
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess
from tests.support.waiting import wait_until_async

READ_ONLY, WITH_CHANGES = "0", "1"


@dataclass
class UiSite:
    """A Temporal server with one visit, and a proxy of its UI for each value of `VISIT_UI_WRITES`."""

    client: Client
    hidden: dev_server.UiAddress
    urls: dict[str, str]
    processes: list[SpawnedProcess]

    async def open_visit(self, patient_id: int) -> str:
        """Start a visit that no worker runs. Returns its workflow id."""
        visit_id = f"visit/{patient_id}/2026-03-02"
        await self.client.start_workflow("VisitWithoutWorker", id=visit_id, task_queue="without-worker")
        return visit_id

    async def status_of(self, visit_id: str) -> WorkflowExecutionStatus | None:
        return (await self.client.get_workflow_handle(visit_id).describe()).status


@pytest.fixture(scope="module")
async def ui_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[UiSite]:
    folder: Path = tmp_path_factory.mktemp("ui-site")
    settings = Settings(_env_file=None, data_dir=folder, temporal_port=free_port())
    hidden = dev_server.choose_hidden_ui_address()
    processes = [SpawnedProcess("temporal", dev_server.server_command(settings, hidden), {}, folder)]
    urls: dict[str, str] = {}
    for writes in (READ_ONLY, WITH_CHANGES):
        port = str(free_port())
        urls[writes] = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "patient_visit_engine.temporal_ui", hidden.url]
        environment = {"VISIT_UI_PORT": port, "VISIT_UI_WRITES": writes}
        processes.append(SpawnedProcess(f"ui-{writes}", command, environment, folder))
    for process in processes:
        process.start()
    try:
        yield UiSite(await namespace.prepare(settings), hidden, urls, processes)
    finally:
        await asyncio.gather(*(asyncio.to_thread(process.kill) for process in processes))


@asynccontextmanager
async def open_http(url: str, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the proxy, when proxy, UI and server answer."""
    async with httpx.AsyncClient(base_url=url, headers=headers, verify=False) as http:

        async def answers() -> bool:
            try:
                return (
                    await http.get("/api/v1/system-info", headers={"Host": httpx.URL(url).netloc.decode()})
                ).is_success
            except httpx.TransportError:
                return False

        await wait_until_async(answers, "the proxy and the UI answer")
        yield http


def workflow_path(visit_id: str) -> str:
    return f"/api/v1/namespaces/default/workflows/{quote(visit_id, safe='')}"


async def terminate(http: httpx.AsyncClient, visit_id: str, **headers: str) -> httpx.Response:
    """The request of the UI's own button in a browser without Sec-Fetch-Site, with the token of the UI's cookie."""
    await http.get("/api/v1/settings", headers={"Host": http.base_url.netloc.decode()})
    own = {"X-CSRF-TOKEN": http.cookies["_csrf"], "Origin": str(http.base_url).rstrip("/")}
    return await http.post(f"{workflow_path(visit_id)}/terminate", json={"reason": "test"}, headers=own | headers)


async def test_foreign_host_cannot_end_visit_by_rebinding(ui_site: UiSite) -> None:
    visit_id = await ui_site.open_visit(1)
    async with open_http(ui_site.urls[WITH_CHANGES]) as http:
        evil = {"Host": f"evil.example:{http.base_url.port}", "Origin": f"http://evil.example:{http.base_url.port}"}
        page = await http.get("/", headers=evil)
        change = await terminate(http, visit_id, **evil)

    assert (page.status_code, page.json()["code"]) == (403, "foreign_host")
    assert page.headers["content-type"] == "application/problem+json"
    assert "VISIT_TEMPORAL_UI_URL" in page.json()["title"]
    assert (change.status_code, change.json()["code"]) == (403, "foreign_host")
    assert await ui_site.status_of(visit_id) is WorkflowExecutionStatus.RUNNING


async def test_change_needs_setting_and_own_origin(ui_site: UiSite) -> None:
    visit_id = await ui_site.open_visit(2)
    async with open_http(ui_site.urls[READ_ONLY]) as http:
        off = await terminate(http, visit_id)
    async with open_http(ui_site.urls[WITH_CHANGES]) as http:
        foreign = await terminate(http, visit_id, Origin="https://evil.example")
        without_token = await terminate(http, visit_id, **{"X-CSRF-TOKEN": "wrong"})
        status_before = await ui_site.status_of(visit_id)
        granted = await terminate(http, visit_id)

    assert (off.status_code, off.json()["code"]) == (403, "writes_are_off")
    assert "VISIT_UI_WRITES=1" in off.json()["message"]
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_origin")
    assert without_token.status_code == 403, without_token.text
    assert status_before is WorkflowExecutionStatus.RUNNING
    assert granted.status_code == 200
    assert await ui_site.status_of(visit_id) is WorkflowExecutionStatus.TERMINATED


async def test_answer_is_compressed_only_when_asked_for(ui_site: UiSite) -> None:
    async with open_http(ui_site.urls[READ_ONLY]) as http:
        compressed = await http.get("/api/v1/namespaces", headers={"Accept-Encoding": "gzip"})
        del http.headers["accept-encoding"]
        plain = await http.get("/api/v1/namespaces")

    assert (compressed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert compressed.json() == plain.json()


async def test_reading_call_with_body_is_answered(ui_site: UiSite) -> None:
    async with open_http(ui_site.urls[READ_ONLY]) as http:
        answer = await http.request("GET", "/api/v1/namespaces", content=b"{}")

    assert answer.status_code == 200
    assert "namespaces" in answer.json()


async def test_http_interface_of_server_is_closed(ui_site: UiSite) -> None:
    """The server opens it at a free port of its choice, and the development server cannot switch it off."""
    server = ui_site.processes[0].process
    assert server is not None
    codes = []
    async with httpx.AsyncClient(verify=False) as http:
        for port in listening_ports(server.pid, "127.0.0.1"):
            for host in (f"127.0.0.1:{port}", f"evil.example:{port}"):
                try:
                    url = f"http://127.0.0.1:{port}/api/v1/namespaces"
                    codes.append((await http.get(url, headers={"Host": host})).status_code)
                except httpx.TransportError:
                    continue

    # 404 is the answer of the port with the server's metrics.
    assert sorted(set(codes)) == [403, 404]


def listening_ports(process_id: int, host: str) -> list[int]:
    """The TCP ports at `host` that the process listens on."""
    sockets = {path.readlink().name for path in Path(f"/proc/{process_id}/fd").iterdir() if path.is_symlink()}
    packed = "".join(f"{int(part):02X}" for part in reversed(host.split(".")))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        int(row[1].partition(":")[2], 16)
        for row in rows
        if row[1].startswith(f"{packed}:") and row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    ]


def test_hidden_address_is_another_one_at_each_start(ui_site: UiSite) -> None:
    addresses = {dev_server.choose_hidden_ui_address() for _ in range(20)}

    assert len({address.host for address in addresses}) == 20
    assert all(address.host.startswith("127.") for address in addresses)
    server = ui_site.processes[0].process
    assert server is not None
    assert listening_ports(server.pid, ui_site.hidden.host) == [ui_site.hidden.port]


@asynccontextmanager
async def open_page(chromium: Browser, errors: list[str]) -> AsyncIterator[Page]:
    """A page that notes the errors of the browser's console."""
    context = await chromium.new_context()
    page = await context.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        await context.close()


async def test_ui_shows_visits_without_errors(ui_site: UiSite, chromium: Browser) -> None:
    visit_id, errors, url = await ui_site.open_visit(3), list[str](), ui_site.urls[READ_ONLY]
    async with open_http(url), open_page(chromium, errors) as page:
        await page.goto(f"{url}/namespaces/default/workflows")
        await page.get_by_text(visit_id).first.wait_for()
        # The path of a `temporal_url`.
        await page.goto(f"{url}/namespaces/default/workflows/{quote(visit_id, safe='')}")
        await page.get_by_role("tab", name="Event History").or_(page.get_by_role("link", name="History")).first.click()
        await page.get_by_text("Workflow Execution Started").first.wait_for()
        button = page.get_by_role("button", name="Request Cancellation")
        await button.wait_for()

        assert await button.is_disabled()
    assert errors == []


async def test_button_ends_visit_when_changes_are_on(ui_site: UiSite, chromium: Browser) -> None:
    visit_id, errors, url = await ui_site.open_visit(4), list[str](), ui_site.urls[WITH_CHANGES]
    async with open_http(url), open_page(chromium, errors) as page:
        await page.goto(f"{url}/namespaces/default/workflows/{quote(visit_id, safe='')}")
        await page.get_by_role("button", name="More Actions").click()
        await page.get_by_role("menuitem", name="Terminate").click()
        await page.get_by_role("button", name="Terminate").click()

        async def has_ended() -> bool:
            return await ui_site.status_of(visit_id) is WorkflowExecutionStatus.TERMINATED

        await wait_until_async(has_ended, "the visit has ended")
    assert errors == []


async def test_says_so_while_server_is_away(ui_site: UiSite) -> None:
    async with open_http(ui_site.urls[READ_ONLY]) as http:
        server = ui_site.processes[0]
        await asyncio.to_thread(server.kill)
        refused = await http.get("/api/v1/namespaces")
        server.start()

        async def is_back() -> bool:
            return (await http.get("/api/v1/namespaces")).is_success

        await wait_until_async(is_back, "the proxy finds the new server")

    assert (refused.status_code, refused.json()["code"]) == (502, "ui_away")
    assert ui_site.hidden.host not in refused.text
