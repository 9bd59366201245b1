"""Turns a cell into the value of a field. A cell that does not fit raises `UnreadableCellError` with a reason for a person."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from patient_visit_engine.cli.own_tables import patterns
from patient_visit_engine.cli.own_tables.cell_values import CellValue, UnreadableCellError, is_empty
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.field_types import MAX_EXPECTED_MINUTES, MAX_IDENTIFIER
from patient_visit_engine.wire.person_names import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_NAME,
    check_moment,
    check_name,
    check_partial_date,
    composed,
)

#: Excel keeps 15 digits of a number. The other digits of a longer one are lost.
MAX_EXCEL_NUMBER = 10**15
SEXES = ("male", "female", "other", "unknown")
SETTABLE_STATUSES = tuple(status.name for status in AppointmentStatus if status <= AppointmentStatus.canceled)
#: A time with its offset, as the API takes it.
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True)
class CellRules:
    """What a cell's meaning depends on: the pattern of its dates, and the hospital's time zone."""

    zone: ZoneInfo
    pattern: str | None = None


def read_identifier(cell: CellValue, *, number: bool) -> str:
    """The text of an identifier. It is never changed, because `007` and `7` are two patients."""
    if is_empty(cell):
        raise UnreadableCellError("is empty: each record needs its identifier")
    if isinstance(cell, str):
        text = cell.strip()
        if len(text) > MAX_IDENTIFIER:
            raise UnreadableCellError(f"is longer than {MAX_IDENTIFIER} characters")
        return _check_printable(text)
    if not _is_number(cell):
        raise UnreadableCellError("is a date or a truth value, not an identifier: format the column as text")
    if not number:
        raise UnreadableCellError(
            "is a number of Excel, and leading zeros are lost: format the column as text, or write `number: true`"
        )
    return _whole_number_text(cell)


def _is_number(cell: CellValue) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _whole_number_text(cell: CellValue) -> str:
    assert isinstance(cell, int | float)
    if not abs(cell) < MAX_EXCEL_NUMBER:
        raise UnreadableCellError("has more digits than Excel keeps: format the column as text")
    if cell != int(cell):
        raise UnreadableCellError("is not a whole number")
    return str(int(cell))


def _check_printable(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise UnreadableCellError("has a control character or a line break")
    return text


def _text(cell: CellValue) -> str:
    if isinstance(cell, str):
        return _check_printable(cell.strip())
    if _is_number(cell):
        return _whole_number_text(cell)
    raise UnreadableCellError("is a date or a truth value, not a text: format the column as text")


def read_name(cell: CellValue, _rules: CellRules) -> str:
    """A name in the composed form, as the system stores it."""
    text = composed(_text(cell))
    if len(text) > MAX_NAME:
        raise UnreadableCellError(f"is longer than {MAX_NAME} characters")
    try:
        return check_name(text)
    except ValueError as error:
        raise UnreadableCellError(f"is no name: {error}") from None


def read_partial_date(cell: CellValue, rules: CellRules) -> str:
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD`."""
    if isinstance(cell, datetime | date):
        text = cell.strftime("%Y-%m-%d")
    else:
        text = _date_text(cell, rules.pattern)
        try:
            text = text if rules.pattern is None else patterns.partial_date(text, rules.pattern)
        except ValueError:
            raise UnreadableCellError(f"does not fit the pattern {rules.pattern}") from None
    try:
        return check_partial_date(text)
    except ValueError as error:
        raise UnreadableCellError(f"{error}{'' if rules.pattern else '. Or the map needs a pattern'}") from None


def read_moment(cell: CellValue, rules: CellRules) -> str:
    """A moment in UTC. A time without an offset is in the hospital's time zone."""
    if isinstance(cell, datetime):
        value = cell
    else:
        text = _date_text(cell, rules.pattern)
        try:
            value = _parse_moment(text) if rules.pattern is None else patterns.parse(text, rules.pattern)
        except ValueError:
            expected = f"does not fit the pattern {rules.pattern}" if rules.pattern else "needs a pattern in the map"
            raise UnreadableCellError(expected) from None
    try:
        check_moment(value.replace(tzinfo=value.tzinfo or rules.zone))
    except ValueError:
        raise UnreadableCellError(f"is not between the years {FIRST_YEAR} and {LAST_YEAR}") from None
    return to_rfc3339(value if value.tzinfo is not None else _in_zone(value, rules.zone))


def _parse_moment(text: str) -> datetime:
    if not MOMENT.fullmatch(text):
        raise ValueError("no time with its offset")
    return datetime.fromisoformat(text.upper())


def _in_zone(value: datetime, zone: ZoneInfo) -> datetime:
    """The moment of a local time, the first one if the clocks repeat it."""
    moment = value.replace(tzinfo=zone, fold=0)
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != value:
        raise UnreadableCellError(f"does not exist in {zone.key}: the clocks skip this hour")
    return moment


def _date_text(cell: CellValue, pattern: str | None) -> str:
    if isinstance(cell, str):
        # Python's patterns take the digits 0 to 9 only.
        text = _check_printable(cell.strip())
        return "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in text)
    if _is_number(cell) and pattern is not None and pattern.startswith(patterns.BEGINS_WITH_YEAR):
        return _whole_number_text(cell)
    raise UnreadableCellError("is not a date: format the column as a date, or as text with a pattern in the map")


def _read_choice(cell: CellValue, choices: tuple[str, ...]) -> str:
    text = _text(cell).lower()
    if text not in choices:
        raise UnreadableCellError(f"must be one of {', '.join(choices)}")
    return text


def read_sex(cell: CellValue, _rules: CellRules) -> str:
    return _read_choice(cell, SEXES)


def read_status(cell: CellValue, _rules: CellRules) -> str:
    return _read_choice(cell, SETTABLE_STATUSES)


def read_flag(cell: CellValue, _rules: CellRules) -> bool:
    if isinstance(cell, bool):
        return cell
    return _read_choice(cell, ("true", "false")) == "true"


def read_minutes(cell: CellValue, _rules: CellRules) -> int:
    text = "" if isinstance(cell, bool) else _text(cell)
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_EXPECTED_MINUTES):
        raise UnreadableCellError(f"must be a whole number of minutes from 1 to {MAX_EXPECTED_MINUTES}")
    return int(text)


#: For each field, the function that reads its cells.
READERS: dict[str, Callable[[CellValue, CellRules], Any]] = {
    "last_name": read_name,
    "first_name": read_name,
    "birth_date": read_partial_date,
    "sex": read_sex,
    "name": read_name,
    "specialization": read_name,
    "room": read_name,
    "active": read_flag,
    "exclusive": read_flag,
    "expected_minutes": read_minutes,
    "scheduled_at": read_moment,
    "status": read_status,
    "as_of": read_moment,
}
