"""Query strings: a parameter that would be ignored is refused, and nothing is written."""

import pytest

from tests.support.api import ApiDriver
from tests.support.databases import LATER_ON_POSTGRES, database_on

database = database_on("sqlite", LATER_ON_POSTGRES)

REPEATED, UNKNOWN = "must not be repeated", "Unknown field"
BODY = {"last_name": "Byron"}


@pytest.mark.parametrize(
    ("method", "path", "field", "message"),
    [
        ("PUT", "/api/patients?identifier=urn:a|1&identifier=urn:a|2", "query.identifier", REPEATED),
        ("PUT", "/api/patients?identifier=urn:a|1&identifier=urn:a|1", "query.identifier", REPEATED),
        ("PUT", "/api/patients/601?identifier=urn:a|1", "query.identifier", UNKNOWN),
        ("PUT", "/api/doctors/601?dry_run=true", "query.dry_run", UNKNOWN),
        ("GET", "/api/patients?identifier=urn:a|1&identifier=urn:a|2", "query.identifier", REPEATED),
        ("GET", "/api/patients?q=a&q=b", "query.q", REPEATED),
        ("GET", "/api/doctors?page=1&q=a&page=2", "query.page", REPEATED),
        ("GET", "/api/patients/123?identifier=urn:a|1", "query.identifier", UNKNOWN),
        ("GET", "/api/appointments?doctor_id=7&doctor_id=8", "query.doctor_id", REPEATED),
        ("GET", "/api/patients/123/visit?date=2026-03-02&date=2026-03-03", "query.date", REPEATED),
        ("GET", "/api/patients/123/trackings?date=&date=2026-03-03", "query.date", REPEATED),
    ],
)
async def test_refuses_parameter_that_would_be_ignored(
    api: ApiDriver, method: str, path: str, field: str, message: str
) -> None:
    before = await api.all_rows()

    answer = await (await api.staff("service")).request(method, path, json=BODY if method == "PUT" else None)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    assert answer.json()["errors"] == [{"field": field, "message": message}]
    assert await api.all_rows() == before


async def test_status_may_be_repeated(api: ApiDriver) -> None:
    listed = await api.read_worklist("?status=0&status=1")

    assert {item["status"] for item in listed["items"]} == {"confirmed"}
