"""A cell becomes the value of a field, or is refused with a reason."""

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patient_visit_engine.cli.own_tables.cell_values import (
    CellValue,
    EmptyFormula,
    ErrorCell,
    UnreadableCellError,
    is_empty,
)
from patient_visit_engine.cli.own_tables.cells import READERS, CellRules, read_identifier

PARIS = ZoneInfo("Europe/Paris")


def local(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A date cell of a workbook, which has no zone."""
    return datetime(year, month, day, hour, minute)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("cell", "number", "identifier"),
    [
        (" 007 ", False, "007"),
        ("a|b C", False, "a|b C"),
        ("7.0", True, "7.0"),
        (7, True, "7"),
        (7.0, True, "7"),
        ("e\u0301", False, "e\u0301"),
    ],
)
def test_identifier_keeps_its_text(cell: CellValue, number: bool, identifier: str) -> None:
    assert read_identifier(cell, number=number) == identifier


@pytest.mark.parametrize(
    ("cell", "number", "reason"),
    [
        (None, True, "is empty"),
        ("\u00a0 ", True, "is empty"),
        (7, False, "is a number of Excel, and leading zeros are lost"),
        (7.5, True, "is not a whole number"),
        (10**15, True, "has more digits than Excel keeps"),
        (float("inf"), True, "has more digits than Excel keeps"),
        (True, True, "is a date or a truth value"),
        (local(2026, 1, 1), True, "is a date or a truth value"),
        ("x" * 201, False, "is longer than 200 characters"),
        ("a\nb", False, "has a control character"),
        (ErrorCell("#N/A"), True, "is an error of the spreadsheet"),
        (EmptyFormula("=A1"), True, "is a formula without a stored value"),
    ],
)
def test_refuses_cells_as_identifiers(cell: CellValue, number: bool, reason: str) -> None:
    with pytest.raises(UnreadableCellError, match=reason):
        read_identifier(cell, number=number)


@pytest.mark.parametrize(
    ("field", "pattern", "cell", "value"),
    [
        ("last_name", None, " e\u0301 ", "\u00e9"),
        ("name", None, 12, "12"),
        ("birth_date", "%d/%m/%Y", "3/2/1980", "1980-02-03"),
        ("birth_date", "%m/%Y", "02/1980", "1980-02"),
        ("birth_date", "%Y", "1980", "1980"),
        ("birth_date", "%Y", 1980, "1980"),
        ("birth_date", "%Y%m%d", 19800203, "1980-02-03"),
        ("birth_date", None, "1980-02", "1980-02"),
        ("birth_date", None, local(1980, 2, 3), "1980-02-03"),
        ("birth_date", "%d/%m/%Y", local(1980, 2, 3), "1980-02-03"),
        ("birth_date", "%d/%m/%Y", "\u0663/\u0662/\u0661\u0669\u0668\u0660", "1980-02-03"),
        ("sex", None, "Female", "female"),
        ("status", None, "canceled", "canceled"),
        ("active", None, False, False),
        ("exclusive", None, "TRUE", True),
        ("expected_minutes", None, 20.0, 20),
        ("expected_minutes", None, "1440", 1440),
        ("scheduled_at", "%d/%m/%Y %H:%M", "27/11/2026 10:30", "2026-11-27T09:30:00.000Z"),
        ("scheduled_at", "%d/%m/%Y %I:%M %p", "27/07/2026 10:30 PM", "2026-07-27T20:30:00.000Z"),
        ("scheduled_at", "%Y-%m-%dT%H:%M%z", "2026-11-27T10:30+05:30", "2026-11-27T05:00:00.000Z"),
        ("scheduled_at", "%d/%m/%Y %H:%M", local(2026, 11, 27, 10, 30), "2026-11-27T09:30:00.000Z"),
        ("scheduled_at", None, "2026-11-27T10:30:00Z", "2026-11-27T10:30:00.000Z"),
        # The clocks repeat this hour: the first one counts.
        ("scheduled_at", "%d/%m/%Y %H:%M", "25/10/2026 02:30", "2026-10-25T00:30:00.000Z"),
        ("as_of", "%d/%m/%Y", "27/11/2026", "2026-11-26T23:00:00.000Z"),
    ],
)  # fmt: skip
def test_reads_cell(field: str, pattern: str | None, cell: CellValue, value: Any) -> None:
    assert READERS[field](cell, CellRules(PARIS, pattern)) == value


@pytest.mark.parametrize(
    ("field", "pattern", "cell", "reason"),
    [
        ("last_name", None, "x" * 201, "is longer than 200 characters"),
        ("last_name", None, "a\u202eb", "is no name: characters that change the text direction"),
        ("last_name", None, "a\nb", "has a control character or a line break"),
        ("last_name", None, local(1980, 2, 3), "is a date or a truth value"),
        ("birth_date", "%d/%m/%Y", "31/02/1980", "does not fit the pattern"),
        ("birth_date", "%d/%m/%Y", 29221, "is not a date: format the column as a date"),
        # The 1st of December or the 11th of February.
        ("birth_date", "%d%m%Y", "1121980", "does not fit the pattern"),
        ("birth_date", None, "03/02/1980", "Or the map needs a pattern"),
        ("birth_date", "%Y", "1700", "from 1800 to 2200"),
        ("sex", None, "F", "must be one of male, female, other, unknown"),
        ("status", None, "done", "must be one of scheduled, confirmed, canceled"),
        ("exclusive", None, "yes", "must be one of true, false"),
        ("expected_minutes", None, "0", "from 1 to 1440"),
        ("expected_minutes", None, 1441, "from 1 to 1440"),
        ("expected_minutes", None, True, "from 1 to 1440"),
        ("expected_minutes", None, 20.5, "is not a whole number"),
        ("scheduled_at", None, "27/11/2026 10:30", "needs a pattern in the map"),
        ("scheduled_at", "%d/%m/%Y %H:%M", "27/11/2026", "does not fit the pattern"),
        ("scheduled_at", "%d/%m/%Y %H:%M", time(10, 30), "is not a date"),
        ("scheduled_at", "%d/%m/%Y %H:%M", "27/11/2300 10:30", "is not between the years 1800 and 2200"),
        # In UTC this is in 1799, and the last one in 2201.
        ("scheduled_at", "%d/%m/%Y %H:%M", "01/01/1800 00:00", "is not between the years 1800 and 2200"),
        ("scheduled_at", None, "0001-01-01T00:00:00+23:59", "is not between the years 1800 and 2200"),
        ("scheduled_at", None, "2200-12-31T23:59:00-00:01", "is not between the years 1800 and 2200"),
        ("scheduled_at", "%d/%m/%Y %H:%M", "29/03/2026 02:30", "does not exist in Europe/Paris: the clocks skip"),
    ],
)
def test_refuses_cell(field: str, pattern: str | None, cell: CellValue, reason: str) -> None:
    with pytest.raises(UnreadableCellError, match=reason):
        READERS[field](cell, CellRules(PARIS, pattern))


def test_formula_without_value_is_not_empty() -> None:
    assert is_empty(None)
    assert is_empty(" \t")
    with pytest.raises(UnreadableCellError, match="open the file in Excel and save it"):
        is_empty(EmptyFormula("=A1"))
