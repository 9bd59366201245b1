"""What a cell of a table can have, before its field gives it a meaning."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias


@dataclass(frozen=True)
class ErrorCell:
    """An error of a spreadsheet, such as `#N/A`."""

    text: str


@dataclass(frozen=True)
class EmptyFormula:
    """A formula of which the spreadsheet stored no value."""

    formula: str


CellValue: TypeAlias = str | int | float | datetime | date | time | timedelta | ErrorCell | EmptyFormula | None


class UnreadableCellError(Exception):
    """The cell does not have a value of its field. The message is the reason."""


def display(cell: CellValue) -> str:
    """The cell as text, for a person who looks for it."""
    match cell:
        case None:
            return ""
        case ErrorCell(text) | EmptyFormula(text):
            return text
        case datetime():
            return cell.isoformat(" ", "minutes")
        case _:
            return str(cell)


def is_empty(cell: CellValue) -> bool:
    """Whether the cell has nothing but spaces. Raises `UnreadableCellError` for an error, and for a formula without a value."""
    match cell:
        case EmptyFormula():
            raise UnreadableCellError("is a formula without a stored value: open the file in Excel and save it")
        case ErrorCell():
            raise UnreadableCellError("is an error of the spreadsheet")
    return cell is None or (isinstance(cell, str) and not cell.strip())
