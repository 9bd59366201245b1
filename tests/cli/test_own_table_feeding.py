"""`visit-engine import --map`: rows become records, in order and once, and refused rows are listed and written to a file."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import jwt
import pytest
from openpyxl import Workbook, load_workbook
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.cli.own_tables import feeding, sending, system
from patient_visit_engine.cli.own_tables.feeding import Feed, RowOutcome
from patient_visit_engine.cli.own_tables.map_file import TableMap, read_map
from patient_visit_engine.cli.own_tables.opening import open_table
from patient_visit_engine.cli.own_tables.records import CellRefusal, RowReader
from patient_visit_engine.cli.own_tables.sending import MAX_SENDS, NoAnswerError, RecordSender
from patient_visit_engine.runtime.operator_error import OperatorError
from tests.cli.test_own_table_maps import WHOLE, write_map
from tests.support.stand_in_system import StandInSystem

SECRET = "a secret of the tests, long enough for HS256"
HEADER = "Patient No;Surname;Given name;Born;Doctor;Doctor name;Service;Booking;When;Exported"
ROWS = [
    "007;Muller;Ana;23/02/1980;D7;Dr. Weber;Cardiology;B1;27/11/2026 10:30;27/11/2026 06:00",
    "008;Doe;;;D7;Dr. Weber;Cardiology;B2;27/11/2026 10:50;27/11/2026 06:00",
    "007;Muller;Ana;23/02/1980;D8;Dr. Re;X-ray;B3;27/11/2026 11:50;27/11/2026 06:00",
]
PATIENTS, DOCTORS, SERVICES = (
    "patients urn:hospital:mrn|",
    "doctors urn:hospital:staff|",
    "prestations urn:hospital:service|",
)
APPOINTMENTS = "appointments urn:hospital:appointment|"
Program = Callable[..., Any]


def write_table(tmp_path: Path, *rows: str, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="cp1252")
    return path


async def do_not_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


async def feed(
    tmp_path: Path, stand_in: StandInSystem, *rows: str, table_map: TableMap | None = None
) -> list[RowOutcome]:
    """Feed these rows, without pauses between two sends."""
    table_map = table_map or read_map(write_map(tmp_path, WHOLE))
    table = open_table(write_table(tmp_path, *rows), table_map)
    reader = RowReader(table_map, table, ZoneInfo("Europe/Paris"))
    async with stand_in.client() as client:
        sender = RecordSender(client, pause=do_not_wait)
        return [outcome async for outcome in Feed(sender).run(table.rows(), reader)]


async def test_row_becomes_four_records(tmp_path: Path) -> None:
    stand_in = StandInSystem()

    await feed(tmp_path, stand_in, ROWS[0])

    as_of = "2026-11-27T05:00:00.000Z"
    assert stand_in.records == {
        f"{PATIENTS}007": {
            "identifiers": [{"system": "urn:hospital:mrn", "value": "007"}],
            "last_name": "Muller",
            "first_name": "Ana",
            "birth_date": "1980-02-23",
            "as_of": as_of,
        },
        f"{DOCTORS}D7": {
            "identifiers": [{"system": "urn:hospital:staff", "value": "D7"}],
            "name": "Dr. Weber",
            "as_of": as_of,
        },
        f"{SERVICES}Cardiology": {
            "identifiers": [{"system": "urn:hospital:service", "value": "Cardiology"}],
            "name": "Cardiology",
            "exclusive": True,
            "expected_minutes": 20,
            "as_of": as_of,
        },
        f"{APPOINTMENTS}B1": {
            "identifiers": [{"system": "urn:hospital:appointment", "value": "B1"}],
            "patient": {"identifier": "urn:hospital:mrn|007"},
            "doctor": {"identifier": "urn:hospital:staff|D7"},
            "prestation": {"identifier": "urn:hospital:service|Cardiology"},
            "scheduled_at": "2026-11-27T09:30:00.000Z",
            "as_of": as_of,
        },
    }


async def test_sends_repeated_records_once(tmp_path: Path) -> None:
    stand_in = StandInSystem()

    outcomes = await feed(tmp_path, stand_in, *ROWS)

    assert [outcome.refusal for outcome in outcomes] == [None, None, None]
    assert len(stand_in.sent) == len(set(stand_in.sent)) == 9
    for record, body in stand_in.records.items():
        if record.startswith(APPOINTMENTS):
            references = [f"{kind}s {body[kind]['identifier']}" for kind in ("patient", "doctor", "prestation")]
            assert max(map(stand_in.sent.index, references)) < stand_in.sent.index(record)


async def test_last_row_of_a_record_wins(tmp_path: Path) -> None:
    stand_in = StandInSystem()
    rows = [ROWS[0].replace("Muller", name) for name in ("Alt", "Neu", "Alt")] * feeding.MAX_ROWS_AT_ONCE

    await feed(tmp_path, stand_in, *rows, ROWS[0].replace("Muller", "Last"))

    assert stand_in.records[f"{PATIENTS}007"]["last_name"] == "Last"
    assert stand_in.sent.count(f"{PATIENTS}007") == 2 * feeding.MAX_ROWS_AT_ONCE + 2


async def test_contents_of_a_record_never_overtake(tmp_path: Path) -> None:
    under_way: list[str] = []
    overlaps: list[str] = []

    class SlowSystem(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            record = str(request.url)
            overlaps.extend([record] if record in under_way else [])
            under_way.append(record)
            for _ in range(5):
                await asyncio.sleep(0)
            under_way.remove(record)
            return httpx.Response(200, json={})

    table_map = read_map(write_map(tmp_path, WHOLE))
    rows = [ROWS[0].replace("Muller", f"Name {number}") for number in range(20)]
    table = open_table(write_table(tmp_path, *rows), table_map)
    async with httpx.AsyncClient(transport=SlowSystem(), base_url="http://system") as client:
        run = Feed(RecordSender(client)).run(table.rows(), RowReader(table_map, table, ZoneInfo("UTC")))
        outcomes = [outcome async for outcome in run]

    assert (len(outcomes), overlaps) == (20, [])


async def test_only_newer_as_of_is_sent_again(tmp_path: Path) -> None:
    stand_in = StandInSystem()
    rows = [ROWS[0].replace("06:00", hour) for hour in ("06:00", "05:00", "07:00")]

    await feed(tmp_path, stand_in, *rows)

    assert stand_in.sent.count(f"{DOCTORS}D7") == 2
    assert stand_in.records[f"{DOCTORS}D7"]["as_of"] == "2026-11-27T06:00:00.000Z"


async def test_forgets_records_beyond_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "MAX_REMEMBERED_RECORDS", 4)
    stand_in = StandInSystem()
    rows = [ROWS[0].replace("007", f"{number:03}").replace("B1", f"B{number}") for number in range(40)]

    outcomes = await feed(tmp_path, stand_in, *rows, ROWS[0])

    assert [outcome.refusal for outcome in outcomes] == [None] * 41
    assert stand_in.sent.count(f"{PATIENTS}007") == 2
    assert stand_in.sent.count(f"{DOCTORS}D7") == 1


async def test_limits_rows_under_way(tmp_path: Path) -> None:
    under_way, most = 0, 0

    class SlowSystem(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            return httpx.Response(200, json={})

    table_map = read_map(write_map(tmp_path, WHOLE[: WHOLE.index("doctor:")]))
    rows = [ROWS[0].replace("007", f"{number:03}") for number in range(60)]
    table = open_table(write_table(tmp_path, *rows), table_map)
    async with httpx.AsyncClient(transport=SlowSystem(), base_url="http://system") as client:
        run = Feed(RecordSender(client)).run(table.rows(), RowReader(table_map, table, ZoneInfo("UTC")))
        outcomes = [outcome async for outcome in run]

    assert [outcome.row.line for outcome in outcomes] == list(range(2, 62))
    assert 1 < most <= feeding.MAX_ROWS_AT_ONCE


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (
            httpx.Response(422, json={"code": "invalid", "errors": [{"field": "birth_date", "message": "too early"}]}),
            CellRefusal("Born", "23/02/1980", "patient: 422 invalid: too early"),
        ),
        (
            httpx.Response(409, json={"code": "identifier_conflict", "title": "They belong to two records"}),
            CellRefusal("Patient No", "007", "patient: 409 identifier_conflict: They belong to two records"),
        ),
        (httpx.Response(500, text="oops"), CellRefusal("Patient No", "007", "patient: 500")),
    ],
)
async def test_lists_answer_of_the_system(tmp_path: Path, answer: httpx.Response, refusal: CellRefusal) -> None:
    stand_in = StandInSystem(answer=lambda record, _body: answer if record == f"{PATIENTS}007" else None)

    outcomes = await feed(tmp_path, stand_in, *ROWS)

    # Rows of the same patient share the refusal, and their appointments are not sent.
    assert [outcome.refusal for outcome in outcomes] == [refusal, None, refusal]
    assert [record for record in stand_in.sent if record.startswith(APPOINTMENTS)] == [f"{APPOINTMENTS}B2"]


async def test_reference_names_its_column(tmp_path: Path) -> None:
    problem = httpx.Response(422, json={"code": "unknown_reference", "title": "No such record", "field": "doctor"})
    stand_in = StandInSystem(answer=lambda record, _body: problem if record.startswith(APPOINTMENTS) else None)
    text = WHOLE.replace("  name: {column: Doctor name}\n", "")

    [outcome] = await feed(tmp_path, stand_in, ROWS[0], table_map=read_map(write_map(tmp_path, text)))

    assert outcome.refusal == CellRefusal("Doctor", "D7", "appointment: 422 unknown_reference: No such record")
    # A section with nothing but identifiers only refers to records.
    assert f"{DOCTORS}D7" not in stand_in.sent


async def test_identifier_can_be_a_constant(tmp_path: Path) -> None:
    text = WHOLE.replace(
        '{system: "urn:hospital:staff", column: Doctor}', '{system: "urn:hospital:staff", value: "The only"}'
    )
    stand_in = StandInSystem()

    await feed(tmp_path, stand_in, *ROWS, table_map=read_map(write_map(tmp_path, text)))

    assert [record for record in stand_in.records if record.startswith(DOCTORS)] == [f"{DOCTORS}The only"]
    assert stand_in.records[f"{APPOINTMENTS}B1"]["doctor"] == {"identifier": "urn:hospital:staff|The only"}


async def test_older_rows_are_not_refused(tmp_path: Path) -> None:
    older = httpx.Response(200, json={"id": 1, "applied": False})
    stand_in = StandInSystem(answer=lambda record, _body: older if record.startswith(APPOINTMENTS) else None)

    [outcome] = await feed(tmp_path, stand_in, ROWS[0])

    assert (outcome.refusal, outcome.older) == (None, ("appointment",))


async def test_sends_again_after_no_answer(tmp_path: Path) -> None:
    answers = [None, httpx.Response(503), httpx.Response(429, headers={"Retry-After": "7"})]

    def answer(_record: str, _body: dict[str, Any]) -> httpx.Response | None:
        if not answers:
            return None
        if (response := answers.pop(0)) is None:
            raise httpx.ConnectError("away")
        return response

    stand_in, pauses = StandInSystem(answer=answer), []

    async def note_pause(seconds: float) -> None:
        pauses.append(seconds)

    table_map = read_map(write_map(tmp_path, WHOLE[: WHOLE.index("doctor:")]))
    table = open_table(write_table(tmp_path, ROWS[0]), table_map)
    async with stand_in.client() as client:
        run = Feed(RecordSender(client, note_pause)).run(table.rows(), RowReader(table_map, table, ZoneInfo("UTC")))
        outcomes = [outcome async for outcome in run]

    assert [outcome.refusal for outcome in outcomes] == [None]
    assert pauses == [1.0, 1.0, 7.0]
    assert len(stand_in.records) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(503, json={"code": "unavailable"}), "the system is not available"),
        (httpx.Response(403, json={"code": "forbidden"}), "the system does not accept this program: 403 forbidden"),
    ],
)
async def test_stops_when_system_is_away(tmp_path: Path, answer: httpx.Response, reason: str) -> None:
    stand_in = StandInSystem(answer=lambda _record, _body: answer)

    with pytest.raises(NoAnswerError, match=reason):
        await feed(tmp_path, stand_in, *ROWS)

    assert len(stand_in.sent) <= 3 * 2 * MAX_SENDS


async def test_stuck_visit_refuses_its_row_only(tmp_path: Path) -> None:
    undecided = httpx.Response(503, json={"code": "undecided"}, headers={"Retry-After": "1000"})
    stand_in = StandInSystem(answer=lambda record, _body: undecided if record == f"{APPOINTMENTS}B1" else None)

    outcomes = await feed(tmp_path, stand_in, *ROWS)

    assert [outcome.refusal is None for outcome in outcomes] == [False, True, True]
    assert stand_in.sent.count(f"{APPOINTMENTS}B1") == MAX_SENDS
    assert sending._seconds_until_retry(undecided) == sending.MAX_PAUSE_SECONDS


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandInSystem:
    """The system that the program finds."""
    stand_in = StandInSystem()
    monkeypatch.setattr(
        system, "new_client", lambda address, headers, _limits: stand_in.client(address, headers=headers)
    )
    return stand_in


@pytest.fixture
def program(clean_environment: pytest.MonkeyPatch) -> Program:
    """Runs the program in this process."""
    clean_environment.setenv("VISIT_JWT_SECRET", SECRET)
    return lambda *words: CliRunner().invoke(build_program(), ["import", *map(str, words)])


def test_exit_code_says_what_was_refused(tmp_path: Path, stand_in: StandInSystem, program: Program) -> None:
    map_path = write_map(tmp_path, WHOLE)
    wrong = ROWS[1].replace("27/11/2026 10:50", "soon")
    refused = tmp_path / "refused.csv"

    assert program("--map", map_path, write_table(tmp_path, *ROWS)).exit_code == 0
    assert program("--map", map_path, write_table(tmp_path, wrong)).exit_code == 4
    result = program("--map", map_path, "--refused", refused, write_table(tmp_path, ROWS[0], wrong, ROWS[2]))

    assert result.exit_code == 3
    assert "refused: table.csv line 3, When: 'soon': does not fit the pattern %d/%m/%Y %H:%M" in result.stderr
    assert "rows: 2 accepted, 1 refused" in result.stdout
    assert refused.read_text("cp1252") == f"{HEADER}\n{wrong}\n"
    refused.write_text(refused.read_text("cp1252").replace("soon", "27/11/2026 10:50"), encoding="cp1252")
    assert program("--map", map_path, refused).exit_code == 0
    assert f"{APPOINTMENTS}B2" in stand_in.records
    # Each import is the same caller, because the system compares what a caller sends with what it sent before.
    tokens = [token.removeprefix("Bearer ") for token in stand_in.tokens]
    callers = [jwt.decode(token, SECRET, ["HS256"]) for token in tokens]
    assert {(caller["sub"], caller["role"]) for caller in callers} == {("visit-engine-import", "service")}


def test_identifier_cells_of_rows(tmp_path: Path, stand_in: StandInSystem, program: Program) -> None:
    rows = [ROWS[0].replace("007", " "), ROWS[1] + ";more", ROWS[1].rpartition(";")[0], ROWS[2]]

    result = program("--map", write_map(tmp_path, WHOLE), write_table(tmp_path, *rows))

    assert result.exit_code == 3
    assert "line 2, Patient No: ' ': is empty: each record needs its identifier" in result.stderr
    assert "line 3: has 11 cells, and the header 10: quote the text that contains the delimiter" in result.stderr
    assert "line 4: has 9 cells, and the header 10: the row is cut off" in result.stderr
    assert set(stand_in.records) == {f"{PATIENTS}007", f"{DOCTORS}D8", f"{SERVICES}X-ray", f"{APPOINTMENTS}B3"}


def test_dry_run_sends_nothing(tmp_path: Path, stand_in: StandInSystem, program: Program) -> None:
    table = write_table(tmp_path, ROWS[0], ROWS[1].replace("27/11/2026 10:50", "soon"))

    result = program("--map", write_map(tmp_path, WHOLE), "--dry-run", "--refused", tmp_path / "refused.csv", table)

    assert result.exit_code == 3
    assert "dry run: nothing was sent" in result.stdout
    assert "rows: 1 would be sent, 1 refused" in result.stdout
    assert (tmp_path / "refused.csv").read_text("cp1252").count("\n") == 2
    assert (stand_in.sent, stand_in.tokens) == ([], set())


def test_prints_as_many_refusals_as_wanted(tmp_path: Path, stand_in: StandInSystem, program: Program) -> None:
    wrong = [ROWS[0].replace("27/11/2026 10:30", "soon")] * 1_100
    table, map_path = write_table(tmp_path, *wrong), write_map(tmp_path, WHOLE)

    assert program("--map", map_path, "--dry-run", table).stderr.count("refused: table.csv line") == 1_100
    result = program("--map", map_path, "--dry-run", "--show", 2, table)

    assert result.stderr.count("refused: table.csv line") == 2
    assert "refused: 1098 more (print all with --show 1100)" in result.stderr


def test_unreadable_files_send_nothing(tmp_path: Path, stand_in: StandInSystem, program: Program) -> None:
    map_path, table = write_map(tmp_path, WHOLE), write_table(tmp_path, *ROWS)
    (tmp_path / "cut.csv").write_bytes(table.read_bytes() + b'"')
    (tmp_path / "wrong.yaml").write_text(WHOLE.replace("{value: 20}", "{value: 0}"))

    for words, reason in (
        (["--map", map_path, table, tmp_path / "cut.csv"], "cut.csv: line 5: is not CSV"),
        (["--map", map_path, table, tmp_path / "missing.csv"], "missing.csv: cannot be read"),
        (["--map", tmp_path / "missing.yaml", table], "missing.yaml: cannot be read"),
        (["--map", tmp_path / "wrong.yaml", table], "wrong.yaml: prestation.expected_minutes.value: must be"),
        (["--map", map_path, "--refused", table, table], "is the map or one of the tables"),
        (["--map", map_path, "--refused", map_path, table], "is the map or one of the tables"),
        (["--map", map_path, "--url", "localhost:8000", table], "--url: localhost:8000 is no address"),
        (["--map", map_path, "--token-file", tmp_path / "none", table], "--token-file: "),
        (["--map", map_path, "--suggest", table], "--suggest: takes one file, and no --map"),
        (["--dry-run", table], "need --map MAP.yaml"),
        (["--suggest", map_path], "is no table"),
    ):
        result = program(*words)
        assert isinstance(result.exception, OperatorError), result.output
        assert (result.exception.exit_code, "\n" in str(result.exception)) == (2, False)
        assert reason in str(result.exception)
    assert stand_in.sent == []


def test_says_why_system_does_not_answer(tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--map", write_map(tmp_path, WHOLE), write_table(tmp_path, *ROWS)]
    result = program(*words, "--url", "http://127.0.0.1:9")
    assert isinstance(result.exception, OperatorError)
    assert "no system answers at http://127.0.0.1:9" in str(result.exception)

    for answer, reason in (
        (httpx.Response(401), "the system does not accept the token"),
        (httpx.Response(200, json={"role": "doctor"}), "the token needs the role service or supervisor"),
        (httpx.Response(404, text="hello"), "is not ready, or is another system (404)"),
        (httpx.Response(200, json={"role": "service", "timezone": "Mars/North"}), "time zone Mars/North"),
    ):
        transport = httpx.MockTransport(lambda _request, answer=answer: answer)
        client = httpx.AsyncClient(transport=transport, base_url="http://system")
        monkeypatch.setattr(system, "new_client", lambda *_words, client=client: client)
        result = program(*words)
        assert isinstance(result.exception, OperatorError)
        assert reason in str(result.exception)


def test_says_what_was_done_before_an_interruption(tmp_path: Path, stand_in: StandInSystem, program: Program) -> None:
    def interrupt(record: str, _body: dict[str, Any]) -> None:
        if record == f"{APPOINTMENTS}B3":
            raise KeyboardInterrupt

    stand_in.answer = interrupt

    result = program("--map", write_map(tmp_path, WHOLE), write_table(tmp_path, *ROWS))

    assert isinstance(result.exception, OperatorError)
    assert result.exception.exit_code == 130
    assert "Run the same command again: rows that are there already change nothing" in str(result.exception)


def test_refused_rows_of_workbook_are_fed_again(tmp_path: Path, stand_in: StandInSystem, program: Program) -> None:
    born, when = datetime(1980, 2, 23), datetime(2026, 11, 27, 10, 30)  # noqa: DTZ001
    workbook = Workbook()
    workbook.active.append(HEADER.split(";"))
    for number, booking in (("007", "B1"), (8, "B2")):
        workbook.active.append([number, "Muller", "Ana", born, "D7", "Dr. Weber", "ECG", booking, when, when])
    workbook.save(tmp_path / "table.xlsx")
    words, refused = ["--map", write_map(tmp_path, WHOLE)], tmp_path / "refused.xlsx"

    first = program(*words, "--refused", refused, tmp_path / "table.xlsx")
    corrected = load_workbook(refused)
    corrected.active["A2"] = "008"
    corrected.save(refused)
    second = program(*words, refused)

    assert (first.exit_code, second.exit_code) == (3, 0)
    assert (
        "refused: table.xlsx line 3, Patient No: '8': is a number of Excel, and leading zeros are lost" in first.stderr
    )
    assert [record for record in stand_in.records if record.startswith(PATIENTS)] == [
        f"{PATIENTS}007",
        f"{PATIENTS}008",
    ]
    first_booking, second_booking = (stand_in.records[f"{APPOINTMENTS}{booking}"] for booking in ("B1", "B2"))
    assert first_booking["scheduled_at"] == second_booking["scheduled_at"] == "2026-11-27T09:30:00.000Z"
