"""The limits in `docs/deployment.md`, `docs/api.md` and `docs/own-tables.md` are those of the code."""

from patient_visit_engine.api.gateway import MAX_BODY
from patient_visit_engine.api.serving.limits import DEFAULT_LIMITS
from patient_visit_engine.cli.own_tables import csv_files, feeding, map_text, sending, tables, workbooks
from patient_visit_engine.runtime.open_files import MAX_RESERVE, MIN_RESERVE, MOST_OPEN_FILES
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.screens.timeline_pages import TIMELINE_PAGE
from patient_visit_engine.wire.field_types import MAX_IDENTIFIER, MAX_IDENTIFIERS
from tests.support.pages import DOCS, code_of, rows

LIMITS = DEFAULT_LIMITS


def test_table_of_limits_has_the_numbers_of_the_code() -> None:
    page = DOCS / "deployment.md"
    table = {row[0]: row[1] for row in rows(page, "limit", "value", "a client beyond it gets")}

    assert table["request line and headers"] == (
        f"{LIMITS.max_head:,} bytes, {LIMITS.max_headers} headers, {LIMITS.head:.0f} seconds"
    )
    assert table["path and query"] == f"{LIMITS.max_url:,} bytes"
    assert table["body"] == f"{MAX_BODY:,} bytes, {LIMITS.body:.0f} seconds"
    assert f"{LIMITS.max_sent_body:,} bytes" in table.values()
    assert table["a connection without a byte"] == f"{LIMITS.first_byte:.0f} seconds"
    assert table["the time to read an answer (not an event stream)"] == f"{LIMITS.answer:.0f} seconds"
    assert table["requests that wait on one connection (pipelining)"] == str(LIMITS.max_pipelined)
    assert table["open files of the process"] == f"all but a tenth ({MIN_RESERVE} to {MAX_RESERVE})"
    assert (
        f"({Settings.model_fields['connections_per_address'].default})"
        in table["connections of one address that wait for their client"]
    )
    assert f"but not above {MOST_OPEN_FILES:,}" in page.read_text()


def test_api_page_has_the_numbers_of_timeline_and_commands() -> None:
    page = (DOCS / "api.md").read_text()

    assert f"the newest {TIMELINE_PAGE} entries of the timeline" in page
    commands = Settings.model_fields["commands_per_minute"].default
    assert f"may send {commands} commands at once (`VISIT_COMMANDS_PER_MINUTE`)" in page


def test_problems_of_limits_name_the_numbers_of_the_code() -> None:
    meanings = {code_of(row[1]): row[2] for row in rows(DOCS / "api.md", "status", "code", "it means", "do")}

    assert f"{LIMITS.max_head:,} bytes" in meanings["headers_too_large"]
    assert f"{LIMITS.max_headers} headers" in meanings["headers_too_large"]
    assert f"{LIMITS.max_url:,} bytes" in meanings["url_too_long"]
    assert f"{MAX_BODY:,} bytes, or more than {LIMITS.max_sent_body:,}" in meanings["body_too_large"]
    assert f"{LIMITS.head:.0f} seconds, or the body longer than {LIMITS.body:.0f}" in meanings["request_too_slow"]


def test_limits_of_own_tables_are_those_of_the_code() -> None:
    page = DOCS / "own-tables.md"
    table = {row[0]: row[1] for row in rows(page, "limit", "value") if len(row) == 2}

    assert table == {
        "rows of a file": f"{tables.MAX_ROWS:,}",
        "columns": f"{tables.MAX_COLUMNS:,}",
        "characters of a cell, of a line in CSV": f"{tables.MAX_CELL_LENGTH:,}; {csv_files.MAX_LINE_LENGTH:,}",
        "unpacked size of a workbook": f"{workbooks.MAX_UNPACKED_BYTES // 1024**3} GiB",
        "size of the map": f"{map_text.MAX_MAP_BYTES // 1024} KiB",
        "characters of an identifier, of a name": str(MAX_IDENTIFIER),
    }
    text = page.read_text()
    assert f"Up to {feeding.MAX_ROWS_AT_ONCE} rows are sent at the same time" in text
    assert f"up to {sending.MAX_SENDS} times" in text
    assert f"has at most {MAX_IDENTIFIERS}" in text
