"""`visit-engine import --suggest`: prints a first map from the header and the first rows of a table, with its doubts as comments."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import typer

from patient_visit_engine.cli.own_tables import workbooks
from patient_visit_engine.cli.own_tables.cells import SETTABLE_STATUSES, SEXES
from patient_visit_engine.cli.own_tables.column_roles import ColumnRoles, SampledColumn
from patient_visit_engine.cli.own_tables.opening import is_workbook, open_unmapped
from patient_visit_engine.cli.own_tables.patterns import check_pattern
from patient_visit_engine.cli.own_tables.sampling import DATES, MOMENTS, differ, find_style, fitting_patterns
from patient_visit_engine.cli.own_tables.tables import Table, UnreadableTableError, check_header
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.wire.field_types import MAX_EXPECTED_MINUTES

#: Rows that are looked at.
SAMPLE_ROWS = 1_000
SYSTEMS = {
    "patient": "urn:hospital:mrn",
    "doctor": "urn:hospital:staff",
    "prestation": "urn:hospital:service",
    "appointment": "urn:hospital:appointment",
}
USUAL_MINUTES = 20
#: Years, months and days of birth dates, and whole dates.
PARTIAL_DATES = (*(pattern for pattern in DATES if "%y" not in pattern), "%Y", "%Y-%m", "%m/%Y", "%m.%Y")


@dataclass
class Suggestion:
    """The lines of a map. Each doubt is a comment above the line that it is about."""

    lines: list[str] = field(default_factory=list)
    doubts: int = 0

    def add(self, line: str, doubt: str = "") -> None:
        """Add the line, after its doubt."""
        if doubt:
            self.doubts += 1
            self.lines.append(f"{' ' * (len(line) - len(line.lstrip()))}# doubt: {doubt}")
        if line.strip():
            self.lines.append(line)


def suggest_map(path: Path) -> None:
    """Print a map for this file. Raises `OperatorError` with exit code 2 when the file is no table."""
    try:
        typer.echo(suggestion_for(path), nl=False)
    except UnreadableTableError as error:
        raise OperatorError(str(error), 2) from None


def suggestion_for(path: Path) -> str:
    """The text of a map. Raises `UnreadableTableError` when the file is no table."""
    suggestion = Suggestion()
    table = _open(path, suggestion)
    if len(table.names) < 2:
        raise UnreadableTableError(f"{path}: is no table: it has one column")
    check_header(path, table.names, ())
    rows = list(islice(table.rows(), SAMPLE_ROWS))
    columns = [
        SampledColumn(name, tuple(row.cells[place] for row in rows if place < len(row.cells)))
        for place, name in enumerate(table.names)
        if name
    ]
    if not _Writer(ColumnRoles(columns), suggestion).write():
        if not rows:
            raise UnreadableTableError(f"{path}: is no table: it has no rows below its first line")
        names = ", ".join(_yaml(column.name) for column in columns)
        suggestion.add("", f"no name of a column is known here. Write the sections by hand: the columns are {names}")
    count = f"{suggestion.doubts or 'no'} doubt{'' if suggestion.doubts == 1 else 's'}"
    advice = "" if not suggestion.doubts else ": read the lines that begin with `# doubt:`"
    return "\n".join([f"# A first map for {path.name}, with {count}{advice}.", *suggestion.lines, ""])


def _open(path: Path, suggestion: Suggestion) -> Table:
    if is_workbook(path):
        sheets = workbooks.sheets_with_content(path)
        if len(sheets) > 1:
            others = ", ".join(map(repr, sheets[1:]))
            suggestion.add(f"sheet: {_yaml(sheets[0])}", f"the workbook also has {others}")
        elif not sheets:
            raise UnreadableTableError(f"{path}: has no sheet with content")
        return open_unmapped(path, None, None, sheets[0])
    style = find_style(path)
    doubt = "" if style.is_sure else "the file is not UTF-8, and this is the usual encoding: are all accents right?"
    suggestion.add(f"encoding: {style.encoding}", doubt)
    suggestion.add(f"delimiter: {json.dumps(style.delimiter)}")
    return open_unmapped(path, style.encoding, style.delimiter, None)


class _Writer:
    """Writes the sections of a map."""

    def __init__(self, roles: ColumnRoles, suggestion: Suggestion) -> None:
        self._roles, self._suggestion = roles, suggestion

    def write(self) -> bool:
        """Write all sections. False if the table has none."""
        for doubt in self._roles.doubts:
            self._suggestion.add("", doubt)
        if (exported := self._roles.column("", "as_of")) is not None:
            self._date("as_of", exported, "", [*MOMENTS, *DATES])
        written = {"patient": self._patient(), "doctor": self._doctor(), "prestation": self._prestation()}
        self._appointment([section for section, is_there in written.items() if not is_there])
        return any(written.values())

    def _patient(self) -> bool:
        names = [(name, self._roles.column("patient", name)) for name in ("last_name", "first_name")]
        if not self._begin("patient", has_fields=any(column for _, column in names)):
            return False
        for name, column in names:
            if column is not None:
                doubt = "are these whole names? Then it stays the only name" if column.is_whole_name else ""
                self._line(name, f"{{column: {_yaml(column.name)}}}", doubt)
        if (born := self._roles.column("patient", "birth_date")) is not None:
            self._date("birth_date", born, "  ", PARTIAL_DATES)
        self._choice("patient", "sex", SEXES)
        return True

    def _doctor(self) -> bool:
        name = self._roles.column("doctor", "name")
        if not self._begin("doctor", has_fields=name is not None):
            return False
        assert name is not None
        self._line("name", f"{{column: {_yaml(name.name)}}}")
        for field_name in ("specialization", "room"):
            if (column := self._roles.column("doctor", field_name)) is not None:
                self._line(field_name, f"{{column: {_yaml(column.name)}}}")
        return True

    def _prestation(self) -> bool:
        name = self._roles.column("prestation", "name")
        if not self._begin("prestation", has_fields=name is not None):
            return False
        assert name is not None
        self._line("name", f"{{column: {_yaml(name.name)}}}")
        self._line("exclusive", "{value: true}")
        minutes = self._roles.column("prestation", "expected_minutes")
        if minutes is not None and minutes.texts and all(_is_minutes(text) for text in minutes.texts):
            self._line("expected_minutes", f"{{column: {_yaml(minutes.name)}}}")
        else:
            doubt = "" if minutes is None else f"{_yaml(minutes.name)} does not have whole minutes only"
            self._line("expected_minutes", f"{{value: {USUAL_MINUTES}}}", doubt)
        return True

    def _appointment(self, missing_sections: list[str]) -> None:
        when, number = self._roles.column("appointment", "scheduled_at"), self._roles.column("appointment", "id")
        if when is None and number is None:
            return
        if when is None or number is None:
            missing = "time" if when is None else "number"
            self._suggestion.add("", f"the appointments are left out, because no column seems to have their {missing}")
            return
        if missing_sections:
            self._suggestion.add(
                "", f"the appointments are left out, because the section {missing_sections[0]} is missing"
            )
            self._suggestion.add("", "if there is only one, write a constant: identifiers: [{system: ..., value: ...}]")
            return
        self._begin("appointment", has_fields=True)
        self._date("scheduled_at", when, "  ", MOMENTS)
        self._choice("appointment", "status", SETTABLE_STATUSES)

    def _begin(self, section: str, *, has_fields: bool) -> bool:
        """Write the section's identifiers. False if the table does not have the section."""
        identifier = self._roles.column(section, "id")
        if identifier is None or not has_fields:
            if identifier is not None or has_fields:
                missing = "names" if identifier is not None else "numbers"
                self._suggestion.add("", f"{section} is left out, because no column seems to have the {missing}")
            return False
        self._suggestion.add(f"{section}:")
        number, doubt = "", self._roles.identifier_doubts.get(section, "")
        if any(isinstance(cell, int | float) for cell in identifier.cells):
            number = ", number: true"
            doubt = doubt or "Excel has numbers here: are there identifiers with leading zeros?"
        source = f'{{system: "{SYSTEMS[section]}", column: {_yaml(identifier.name)}{number}}}'
        self._suggestion.add(f"  identifiers: [{source}]", doubt)
        return True

    def _date(self, name: str, column: SampledColumn, indent: str, candidates: Sequence[str]) -> None:
        pattern, doubt = _find_pattern(column, candidates)
        source = f"{{column: {_yaml(column.name)}{pattern}}}"
        self._suggestion.add(f"{indent}{name}: {source}", doubt)

    def _choice(self, section: str, name: str, choices: Sequence[str]) -> None:
        column = self._roles.column(section, name)
        if column is None:
            return
        others = [text for text in column.texts if text.lower() not in choices]
        if others:
            self._suggestion.add("", f"{name} is left out: {_yaml(column.name)} must have {', '.join(choices)} only")
        else:
            self._line(name, f"{{column: {_yaml(column.name)}}}")

    def _line(self, name: str, source: str, doubt: str = "") -> None:
        self._suggestion.add(f"  {name}: {source}", doubt)


def _find_pattern(column: SampledColumn, candidates: Sequence[str]) -> tuple[str, str]:
    """The text `, pattern: ...` or nothing for date cells, and the doubt about it."""
    if not column.texts:
        has_dates = bool(column.dates)
        return ("", "") if has_dates else (f", pattern: {_yaml(candidates[0])}", "the first rows are empty here")
    fitting = fitting_patterns(column.texts, candidates)
    if not fitting:
        return f", pattern: {_yaml(candidates[0])}", f"no usual pattern fits: {_yaml(column.texts[0])} is an example"
    check_pattern(fitting[0])
    other = next((pattern for pattern in fitting[1:] if differ(column.texts, fitting[0], pattern)), None)
    doubt = "" if other is None else f"day or month first? {other} fits too"
    return f", pattern: {_yaml(fitting[0])}", doubt


def _is_minutes(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_EXPECTED_MINUTES


def _yaml(text: str) -> str:
    """The text in double quotes, which YAML reads like JSON."""
    return json.dumps(text, ensure_ascii=False)
