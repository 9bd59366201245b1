"""Late and repeated messages of a feed: versions, `as_of`, and fields that the same caller sent before."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from patient_visit_engine.api.commands.record_puts import MAX_AS_OF_AHEAD
from patient_visit_engine.cli.migrate import migrate_schema
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.master_data import record_numbers
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver
from tests.support.builders import DR_OKAFOR, DR_SMITH, NOON, X_RAY
from tests.support.databases import LATER_ON_POSTGRES, ON_SQLITE, database_on

database = database_on("sqlite", LATER_ON_POSTGRES)

PATIENT = "/api/patients/5"
APPOINTMENT = f"/api/appointments/{JOHN_CARDIOLOGY.id}"
BOOKED: dict[str, Any] = {
    "patient_id": JOHN_CARDIOLOGY.patient_id,
    "doctor_id": JOHN_CARDIOLOGY.doctor_id,
    "prestation_id": JOHN_CARDIOLOGY.prestation_id,
    "scheduled_at": to_rfc3339(NOON),
    "status": "confirmed",
}
ADA = {"first_name": "Ada", "last_name": "Byron", "birth_date": "1815"}
NUMBER = {"system": "urn:mrn", "value": "1"}


def at(minutes_after_noon: float) -> str:
    return to_rfc3339(NOON + timedelta(minutes=minutes_after_noon))


async def put(api: ApiDriver, path: str, body: dict[str, Any], role: str = "service", **headers: str) -> httpx.Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return await (await api.staff(role)).put(path, json=body, headers=headers)


async def set_status(api: ApiDriver, status: str) -> None:
    answer = await (await api.staff("reception")).patch(f"{APPOINTMENT}/status", json={"status": status})
    assert answer.status_code == 200, answer.text


@ON_SQLITE
@pytest.mark.parametrize("path", [PATIENT, "/api/patients?identifier=urn:mrn|1"])
@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ('"1"', 200, None),
        ('"7", "1"', 200, None),
        ("*", 200, None),
        ('"2"', 412, "stale_version"),
        ('W/"1"', 412, "stale_version"),
        ('"01"', 412, "stale_version"),
        ('"abc"', 412, "stale_version"),
        ("1", 422, "bad_if_match"),
        ("", 422, "bad_if_match"),
        ('*, "1"', 422, "bad_if_match"),
        ('"1', 422, "bad_if_match"),
    ],
)
async def test_if_match_compares_the_version(
    api: ApiDriver, path: str, header: str, status: int, code: str | None
) -> None:
    await put(api, PATIENT, ADA | {"identifiers": [NUMBER]})
    before = await api.all_rows()

    answer = await put(api, path, ADA | {"last_name": "King"}, If_Match=header)

    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    if status == 200:
        assert (answer.json()["version"], answer.headers["etag"]) == (2, '"2"')
    else:
        assert await api.all_rows() == before


@pytest.mark.parametrize("header", ['"1"', "*"])
@pytest.mark.parametrize("path", [PATIENT, "/api/patients?identifier=urn:mrn|1", "/api/appointments/77"])
async def test_record_that_does_not_exist_has_no_version(api: ApiDriver, path: str, header: str) -> None:
    before = await api.all_rows()
    body: dict[str, Any] = ADA if "patients" in path else BOOKED

    answer = await put(api, path, body, If_Match=header)

    assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")
    assert await api.all_rows() == before


async def test_version_counts_only_changes(api: ApiDriver) -> None:
    bodies: list[dict[str, Any]] = [
        ADA,
        ADA,
        ADA | {"as_of": at(0)},
        ADA | {"identifiers": [NUMBER]},
        ADA | {"identifiers": [NUMBER]},
    ]

    versions = [(await put(api, PATIENT, body)).json()["version"] for body in bodies]

    assert versions == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("as_of", "applied", "stored"),
    [(-1, False, 0), (0, True, 0), (1, True, 1), (MAX_AS_OF_AHEAD.total_seconds() / 60, True, 5), (None, True, 0)],
    ids=["older", "equal", "newer", "5 minutes ahead", "absent"],
)
@pytest.mark.parametrize(("path", "body"), [(PATIENT, ADA), (APPOINTMENT, BOOKED)], ids=["patient", "appointment"])
async def test_older_message_changes_nothing(
    api: ApiDriver, path: str, body: dict[str, Any], as_of: float | None, applied: bool, stored: float
) -> None:
    changed = body | ({"last_name": "King"} if body is ADA else {"scheduled_at": at(30)})
    earlier = (await put(api, path, body | {"as_of": at(0)})).json()
    before = await api.all_rows()

    sent = changed | {"identifiers": [NUMBER]} | ({} if as_of is None else {"as_of": at(as_of)})
    answer = await put(api, path, sent)

    assert (answer.status_code, answer.json()["applied"]) == (200, applied), answer.text
    if not applied:
        assert answer.json() == earlier | {"applied": False}
        assert await api.all_rows() == before
    assert ((await put(api, path, body | {"as_of": at(stored)})).json()["applied"]) is True
    assert ((await put(api, path, body | {"as_of": at(stored - 1)})).json()["applied"]) is False


async def test_refuses_message_from_the_future(api: ApiDriver) -> None:
    assert timedelta(minutes=5) == MAX_AS_OF_AHEAD
    before = await api.all_rows()

    answer = await put(api, PATIENT, ADA | {"as_of": at(5.1)})

    assert (answer.status_code, answer.json()["code"]) == (422, "as_of_ahead")
    assert await api.all_rows() == before


@pytest.mark.parametrize("checked_in", [False, True])
async def test_decision_of_staff_is_newer_than_earlier_messages(api: ApiDriver, checked_in: bool) -> None:
    await put(api, APPOINTMENT, BOOKED | {"as_of": at(0)})
    api.clock.advance(minutes=10)
    if checked_in:
        assert (await (await api.staff("reception")).post(f"{APPOINTMENT}/check-in")).status_code == 201
    await set_status(api, "canceled")

    moved = BOOKED | {"scheduled_at": at(30)}
    late = await put(api, APPOINTMENT, moved | {"as_of": at(9)})
    newer = await put(api, APPOINTMENT, moved | {"as_of": at(11)})

    assert (late.json()["applied"], late.json()["status"]) == (False, "canceled")
    assert (newer.json()["applied"], newer.json()["scheduled_at"]) == (True, at(30))


@pytest.mark.parametrize("checked_in", [False, True])
async def test_feed_does_not_undo_a_reassignment(api: ApiDriver, checked_in: bool) -> None:
    await put(api, APPOINTMENT, BOOKED | {"as_of": at(0)})
    api.clock.advance(minutes=10)
    reception = await api.staff("reception")
    if checked_in:
        assert (await reception.post(f"{APPOINTMENT}/check-in")).status_code == 201
    given = await reception.post(f"{APPOINTMENT}/reassign", json={"doctor_id": DR_OKAFOR.id})

    late = await put(api, APPOINTMENT, BOOKED | {"doctor_id": DR_SMITH.id, "as_of": at(9)})
    repeated = await put(api, APPOINTMENT, BOOKED | {"as_of": at(11)})

    assert given.status_code == 200, given.text
    assert (late.json()["applied"], late.json()["doctor_id"]) == (False, DR_OKAFOR.id)
    assert (repeated.json()["applied"], repeated.json()["doctor_id"]) == (True, DR_OKAFOR.id)


async def test_decision_does_not_make_as_of_older(api: ApiDriver) -> None:
    await put(api, APPOINTMENT, BOOKED | {"as_of": at(4)})
    await set_status(api, "canceled")

    assert (await put(api, APPOINTMENT, BOOKED | {"as_of": at(3)})).json()["applied"] is False


async def test_feed_that_cancels_leaves_room_for_its_next_message(api: ApiDriver) -> None:
    assert (await (await api.staff("reception")).post(f"{APPOINTMENT}/check-in")).status_code == 201
    api.clock.advance(minutes=10)

    canceled = await put(api, APPOINTMENT, BOOKED | {"status": "canceled", "as_of": at(1)})
    booked = await put(api, APPOINTMENT, BOOKED | {"as_of": at(2)})

    assert [answer.json()["status"] for answer in (canceled, booked)] == ["canceled", "confirmed"]
    assert booked.json()["applied"] is True


async def test_arrival_feed_can_change_what_it_checked_in(api: ApiDriver) -> None:
    """The change has the time of its export, and the engine got the arrival after that."""
    await put(api, APPOINTMENT, BOOKED | {"as_of": at(0)})
    api.clock.advance(minutes=10)
    assert (await (await api.staff("service")).post(f"{APPOINTMENT}/check-in")).status_code == 201

    canceled = await put(api, APPOINTMENT, BOOKED | {"status": "canceled", "as_of": at(9)})

    assert (canceled.json()["applied"], canceled.json()["status"]) == (True, "canceled")


async def test_repeated_feed_does_not_undo_what_staff_decided(api: ApiDriver) -> None:
    feed = {**BOOKED, "identifiers": [NUMBER]}
    assert (await put(api, APPOINTMENT, feed)).status_code == 200
    await put(api, APPOINTMENT, BOOKED | {"doctor_id": DR_OKAFOR.id}, "supervisor")
    await set_status(api, "canceled")

    repeated = (await put(api, APPOINTMENT, feed)).json()
    changed = (await put(api, APPOINTMENT, feed | {"scheduled_at": at(30)})).json()
    again = (await put(api, APPOINTMENT, feed | {"status": "scheduled"})).json()

    shown = [(body["doctor_id"], body["status"], body["scheduled_at"]) for body in (repeated, changed, again)]
    assert shown == [
        (DR_OKAFOR.id, "canceled", at(0)),
        (DR_OKAFOR.id, "canceled", at(30)),
        (DR_OKAFOR.id, "scheduled", at(0)),
    ]


async def test_status_that_was_left_out_once_is_still_repeated(api: ApiDriver) -> None:
    without = {name: value for name, value in BOOKED.items() if name != "status"}
    await put(api, APPOINTMENT, BOOKED)
    await put(api, APPOINTMENT, without)
    await set_status(api, "canceled")

    assert (await put(api, APPOINTMENT, BOOKED)).json()["status"] == "canceled"


async def test_patient_keeps_what_was_corrected_here(api: ApiDriver) -> None:
    await put(api, PATIENT, ADA | {"sex": "female"})
    await put(api, PATIENT, {"last_name": "Lovelace", "birth_date": "1815-12-10"}, "supervisor")

    repeated = (await put(api, PATIENT, ADA | {"sex": "female"})).json()
    without_sex = (await put(api, PATIENT, ADA)).json()
    renamed = (await put(api, PATIENT, {"first_name": "Ada", "last_name": "King", "birth_date": "1815"})).json()

    fields = ("first_name", "last_name", "birth_date", "sex")
    assert [tuple(body[name] for name in fields) for body in (repeated, without_sex, renamed)] == [
        (None, "Lovelace", "1815-12-10", None),
        (None, "Lovelace", "1815-12-10", None),
        ("Ada", "King", "1815-12-10", None),
    ]


async def test_field_that_a_feed_no_longer_sends_becomes_null(api: ApiDriver) -> None:
    await put(api, PATIENT, ADA)

    assert (await put(api, PATIENT, {"last_name": "Byron"})).json()["birth_date"] is None


async def test_minutes_of_appointment_come_and_go(api: ApiDriver) -> None:
    bodies: list[dict[str, Any]] = [
        BOOKED | {"expected_minutes": 45},
        BOOKED,
        BOOKED | {"expected_minutes": 45, "prestation_id": X_RAY.id},
        BOOKED | {"expected_minutes": None, "prestation_id": X_RAY.id},
    ]

    shown = [(await put(api, APPOINTMENT, body)).json()["expected_minutes"] for body in bodies]

    assert shown == [45, 45, 45, None]
    item = next(item for item in (await api.read_worklist())["items"] if item["appointment_id"] == JOHN_CARDIOLOGY.id)
    assert item["prestation"] == X_RAY.name


async def test_minutes_can_be_cleared_while_the_patient_waits(api: ApiDriver) -> None:
    await put(api, APPOINTMENT, BOOKED | {"expected_minutes": 45})
    assert (await (await api.staff("reception")).post(f"{APPOINTMENT}/check-in")).status_code == 201

    cleared = await put(api, APPOINTMENT, BOOKED | {"expected_minutes": None, "scheduled_at": at(30)})

    assert (cleared.status_code, cleared.json()["expected_minutes"], cleared.json()["scheduled_at"]) == (
        200,
        None,
        at(30),
    )


@pytest.mark.parametrize("refused", [False, True])
async def test_crash_after_the_decision_of_the_visit_is_repeated(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    assert (await (await api.staff("reception")).post(f"{APPOINTMENT}/check-in")).status_code == 201
    body = BOOKED | {"scheduled_at": at(30), "identifiers": [NUMBER], "as_of": at(0)}
    if refused:
        before = await api.all_rows()
        answer = await put(api, APPOINTMENT, body | {"patient_id": 124})
        assert (answer.status_code, answer.json()["code"]) == (409, "tracking_open")
        after = await api.all_rows()
        assert {table for table in after if after[table] != before[table]} == {"requests"}
        return

    def crash(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr("patient_visit_engine.api.commands.appointment_changes.note_decided", crash)
        assert (await put(api, APPOINTMENT, body)).status_code == 503
    api.visits.sent.clear()
    again = await put(api, APPOINTMENT, body)

    assert (again.status_code, again.json()["scheduled_at"], again.json()["identifiers"]) == (200, at(30), [NUMBER])
    assert api.visits.sent == []
    assert (await put(api, APPOINTMENT, body | {"as_of": at(-1)})).json()["applied"] is False


async def test_conflict_is_found_before_the_visit_decides(api: ApiDriver) -> None:
    await put(api, "/api/appointments/77", BOOKED | {"identifiers": [NUMBER]})
    assert (await (await api.staff("reception")).post(f"{APPOINTMENT}/check-in")).status_code == 201
    before = await api.all_rows()
    api.visits.sent.clear()

    moved = BOOKED | {"scheduled_at": at(30)}
    answers = [
        await put(api, APPOINTMENT, moved | {"identifiers": [NUMBER]}),
        await put(api, APPOINTMENT, moved, If_Match='"1"'),
    ]

    assert [answer.json()["code"] for answer in answers] == ["identifier_conflict", "stale_version"]
    assert (api.visits.sent, await api.all_rows()) == ([], before)


@pytest.mark.parametrize(
    ("header", "status"), [('"1", "2"', 412), ("*", 200), (None, 200)], ids=["stale", "any version", "absent"]
)
async def test_version_is_compared_again_when_the_visit_decides(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, header: str | None, status: int
) -> None:
    assert (await (await api.staff("reception")).post(f"{APPOINTMENT}/check-in")).status_code == 201
    send, before = api.visits.send, (await (await api.staff("service")).get(APPOINTMENT)).json()

    async def change_first(*arguments: Any) -> None:
        monkeypatch.setattr(api.visits, "send", send)
        # The visit itself has changed nothing that its decision depends on.
        changed = await put(api, APPOINTMENT, BOOKED | {"identifiers": [NUMBER]}, "supervisor")
        assert changed.json()["version"] == before["version"] + 1
        await send(*arguments)

    monkeypatch.setattr(api.visits, "send", change_first)
    headers = {} if header is None else {"If_Match": header}
    answer = await put(api, APPOINTMENT, BOOKED | {"scheduled_at": at(30)}, **headers)

    assert answer.status_code == status, answer.text
    stored = (await (await api.staff("service")).get(APPOINTMENT)).json()
    assert (stored["scheduled_at"] == at(30)) is (status == 200)
    assert status == 200 or (answer.json()["code"], stored["version"]) == ("stale_version", before["version"] + 1)


async def test_decision_of_staff_before_that_of_the_visit_is_newer(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await (await api.staff("reception")).post(f"{APPOINTMENT}/check-in")).status_code == 201
    send = api.visits.send

    async def cancel_first(*arguments: Any) -> None:
        monkeypatch.setattr(api.visits, "send", send)
        api.clock.advance(minutes=1)
        await set_status(api, "canceled")
        await send(*arguments)

    monkeypatch.setattr(api.visits, "send", cancel_first)
    answer = await put(api, APPOINTMENT, BOOKED | {"scheduled_at": at(30), "as_of": at(0.5)})

    shown = answer.json()
    assert (answer.status_code, shown["applied"]) == (200, False), shown
    assert (shown["status"], shown["scheduled_at"]) == ("canceled", at(0))


async def test_migrate_derives_the_numbers_of_another_system(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_numbers, "BATCH", 2)
    for number in range(5, 10):
        ids = [{"system": "urn:mrn", "value": f"m{number}"}, {"system": "urn:ssn", "value": f"s{number}"}]
        await put(api, f"/api/patients/{number}", ADA | {"identifiers": ids[: 2 if number < 9 else 1]})
    url = api.database.url.render_as_string(hide_password=False)

    migrate_schema(Settings(database_url=url, record_number_system="urn:ssn"))

    reception = await api.staff("reception")
    matches = [(await reception.get(f"/api/patients?q={word}")).json()["items"] for word in ("s7", "m7", "m9")]
    assert [[(item["id"], item["version"]) for item in items] for items in matches] == [[(7, 2)], [], []]
    before = await api.all_rows()
    record_numbers.derive_all(url, "urn:ssn")
    assert await api.all_rows() == before
    record_numbers.derive_all(url, "")
    (patient,) = (await reception.get("/api/patients?q=m9")).json()["items"]
    assert (patient["id"], patient["record_number"]) == (9, "m9")
