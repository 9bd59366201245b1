"""The rules of the proxy: which hosts, origins and calls reach Temporal's UI."""

import pytest

from patient_visit_engine.temporal_ui.rules import UiRequest, UiRules

PORT = 8233
HERE = "127.0.0.1:8233"
VISIT = "/api/v1/namespaces/default/workflows/visit%2F1%2F2026-03-02"
READING, WRITING = UiRules(PORT, "", writes_allowed=False), UiRules(PORT, "", writes_allowed=True)


def code_of(rules: UiRules, request: UiRequest) -> str | None:
    refusal = rules.find_refusal(request)
    return None if refusal is None else refusal.code


@pytest.mark.parametrize("host", [HERE, "localhost:8233", "LOCALHOST:8233", "[::1]:8233"])
def test_own_host_passes(host: str) -> None:
    assert code_of(READING, UiRequest("GET", "/", [host])) is None


@pytest.mark.parametrize(
    "host", ["evil.example:8233", "127.0.0.1", "localhost:8000", "127.0.0.1:8233.evil.example", "evil.example", ""]
)
def test_foreign_host_is_refused(host: str) -> None:
    assert code_of(WRITING, UiRequest("GET", "/", [host])) == "foreign_host"


@pytest.mark.parametrize("hosts", [[], [HERE, "evil.example"]], ids=["none", "two"])
def test_needs_exactly_one_host(hosts: list[str]) -> None:
    assert code_of(READING, UiRequest("GET", "/", hosts)) == "one_host_needed"


def test_public_address_passes_with_its_origin() -> None:
    rules = UiRules(PORT, "https://Temporal.hospital.example/", writes_allowed=True)
    hosts, origins = ["temporal.hospital.example"], ["https://temporal.hospital.example"]

    assert code_of(rules, UiRequest("POST", f"{VISIT}/terminate", hosts, origins, ["same-origin"])) is None
    assert code_of(rules, UiRequest("GET", "/", ["temporal"])) == "foreign_host"


def test_port_80_needs_no_number() -> None:
    rules = UiRules(80, "", writes_allowed=False)

    assert [code_of(rules, UiRequest("GET", "/", [host])) for host in ("localhost", "localhost:80")] == [None, None]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{VISIT}/terminate"),
        ("POST", f"{VISIT}/signal/undo"),
        ("POST", f"{VISIT}/update/start_consultation"),
        ("POST", f"{VISIT}/query/snapshot/terminate"),
        ("POST", f"{VISIT}/query/snapshot:terminate"),
        ("POST", f"/%61pi{VISIT[4:]}/query/snapshot"),
        ("POST", "/api/v1/namespaces/default/batch-operations/1"),
        ("DELETE", VISIT),
        ("PUT", "/"),
        ("PATCH", "/"),
        ("OPTIONS", "/"),
    ],
)
def test_changes_are_off_by_default(method: str, path: str) -> None:
    request = UiRequest(method, path, [HERE], [f"http://{HERE}"], ["same-origin"])

    assert code_of(READING, request) == "writes_are_off"
    assert code_of(WRITING, request) is None


@pytest.mark.parametrize("query", ["snapshot", "__stack_trace", "__temporal_workflow_metadata"])
def test_query_by_post_is_a_read(query: str) -> None:
    request = UiRequest("POST", f"{VISIT}/query/{query}", [HERE], [f"http://{HERE}"], ["same-origin"])

    assert code_of(READING, request) is None


@pytest.mark.parametrize(
    ("origins", "fetch_sites"),
    [
        ([], []),
        (["https://evil.example"], []),
        (["null"], ["same-origin"]),
        ([f"http://{HERE}"], ["cross-site"]),
        ([], ["same-site"]),
        (["http://127.0.0.1:8000"], ["same-site"]),
        ([f"http://{HERE}", "https://evil.example"], []),
    ],
)
def test_change_needs_own_origin(origins: list[str], fetch_sites: list[str]) -> None:
    request = UiRequest("POST", f"{VISIT}/terminate", [HERE], origins, fetch_sites)

    assert code_of(WRITING, request) == "foreign_origin"


def test_other_site_may_link_to_page_but_reads_no_data() -> None:
    link = UiRequest("GET", "/namespaces/default/workflows", [HERE], [], ["same-site"])
    data = UiRequest("GET", VISIT, [HERE], [], ["cross-site"])
    program = UiRequest("GET", VISIT, [HERE])

    assert [code_of(READING, request) for request in (link, data, program)] == [None, "foreign_origin", None]


@pytest.mark.parametrize(
    "path",
    [
        "/x/../api/v1/namespaces",
        "/./x",
        "/x/%2e%2E/y",
        "/x/..",
        "/api/v1/%2E./x",
        "/x%2f..%2fy",
        f"{VISIT}/query/..%2Fterminate",
    ],
)
def test_path_with_dots_is_refused(path: str) -> None:
    assert code_of(WRITING, UiRequest("GET", path, [HERE])) == "bad_path"


def test_dots_inside_a_segment_pass() -> None:
    assert code_of(READING, UiRequest("GET", "/_app/start.12.js", [HERE])) is None
