"""Turns a row of a table into the records that are sent for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from patient_visit_engine.cli.own_tables.cell_values import CellValue, UnreadableCellError, display, is_empty
from patient_visit_engine.cli.own_tables.cells import READERS, CellRules, read_identifier
from patient_visit_engine.cli.own_tables.csv_files import check_width
from patient_visit_engine.cli.own_tables.map_file import TableMap
from patient_visit_engine.cli.own_tables.map_sections import FieldSource, IdentifierSource, Section
from patient_visit_engine.cli.own_tables.map_text import UnreadableMapError
from patient_visit_engine.cli.own_tables.tables import Table, TableRow
from patient_visit_engine.wire.identifier_texts import join_identifier

#: The path of each section's records.
PATHS = {"patient": "patients", "doctor": "doctors", "prestation": "prestations", "appointment": "appointments"}
REFERENCES = ("patient", "doctor", "prestation")


@dataclass(frozen=True)
class CellRefusal:
    """Why a row is refused. The column is empty when the whole row is the reason."""

    column: str
    value: str
    reason: str


class RefusedRowError(Exception):
    """The row cannot be sent."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.refusal = CellRefusal(column, value, reason)


@dataclass(frozen=True)
class MappedRecord:
    """One record of a row, ready to send. `origins` has the column and the text of each field, for a person who looks for it."""

    section: str
    #: `system|value` of the first identifier.
    identifier: str
    body: Mapping[str, Any]
    origins: Mapping[str, tuple[str, str]]
    #: False if the record is only referred to, and not sent.
    is_sent: bool = True


class RowReader:
    """Reads the rows of one table by its map."""

    def __init__(self, table_map: TableMap, table: Table, zone: ZoneInfo) -> None:
        self._map, self._zone = table_map, zone
        self._width = len(table.names)
        self._is_csv = table.sheet is None
        self._place = {name: index for index, name in enumerate(table.names)}

    def read(self, row: TableRow) -> list[MappedRecord]:
        """The records of the row. Appointments come last. Raises `RefusedRowError`."""
        if self._is_csv and (reason := check_width(row, self._width)):
            raise RefusedRowError("", "", reason)
        as_of = None if self._map.as_of is None else self._value(row, "as_of", self._map.as_of, {})
        records: dict[str, MappedRecord] = {}
        for name, section in self._map.sections.items():
            records[name] = self._record(row, name, section, as_of, records)
        return list(records.values())

    def _record(
        self, row: TableRow, name: str, section: Section, as_of: str | None, earlier: Mapping[str, MappedRecord]
    ) -> MappedRecord:
        origins: dict[str, tuple[str, str]] = {}
        identifiers = []
        for identifier in section.identifiers:
            text = self._identifier(row, identifier)
            identifiers.append({"system": identifier.system, "value": text})
            origins.setdefault("identifiers", (identifier.column or "", text))
        body: dict[str, Any] = {"identifiers": identifiers}
        for field, source in section.sources.items():
            value = self._value(row, field, source, origins, is_needed=field in section.REQUIRED)
            if value is not None:
                body[field] = value
        if name == "patient" and section.sources and not {"first_name", "last_name"} & body.keys():
            column = section.sources.get("last_name", section.sources.get("first_name"))
            raise RefusedRowError(column.column or "" if column else "", "", "is empty: a patient needs a name")
        if name == "appointment":
            body |= {kind: {"identifier": earlier[kind].identifier} for kind in REFERENCES}
            origins |= {kind: earlier[kind].origins["identifiers"] for kind in REFERENCES}
        if as_of is not None:
            body["as_of"] = as_of
            origins["as_of"] = self._origin(row, self._map.as_of)
        return MappedRecord(name, join_identifier(**identifiers[0]), body, origins, bool(section.sources))

    def _identifier(self, row: TableRow, source: IdentifierSource) -> str:
        if source.column is None:
            return str(source.value)
        cell = self._cell(row, source.column)
        try:
            return read_identifier(cell, number=source.number)
        except UnreadableCellError as error:
            raise RefusedRowError(source.column, display(cell), str(error)) from None

    def _value(
        self,
        row: TableRow,
        field: str,
        source: FieldSource,
        origins: dict[str, tuple[str, str]],
        *,
        is_needed: bool = False,
    ) -> Any:
        """The field's value, or None if its cell is empty."""
        cell: CellValue = source.value if source.column is None else self._cell(row, source.column)
        column, text = origins[field] = self._origin(row, source)
        try:
            if is_empty(cell):
                if is_needed:
                    raise UnreadableCellError("is empty")
                return None
            return READERS[field](cell, CellRules(self._zone, source.pattern))
        except UnreadableCellError as error:
            raise RefusedRowError(column, text, str(error)) from None

    def _origin(self, row: TableRow, source: FieldSource | None) -> tuple[str, str]:
        assert source is not None
        if source.column is None:
            return "", str(source.value)
        return source.column, display(self._cell(row, source.column))

    def _cell(self, row: TableRow, column: str) -> CellValue:
        place = self._place[column]
        # A workbook does not store the empty cells at the end of a row.
        return row.cells[place] if place < len(row.cells) else None


def check_constants(table_map: TableMap, zone: ZoneInfo) -> None:
    """Raise `UnreadableMapError` when a constant of the map is no value of its field."""
    named = [(name, section.sources) for name, section in table_map.sections.items()]
    named += [("", {"as_of": table_map.as_of})] if table_map.as_of is not None else []
    for section_name, sources in named:
        for field, source in sources.items():
            if source.column is None:
                try:
                    if is_empty(source.value):
                        raise UnreadableCellError("is empty: leave the field out")
                    READERS[field](source.value, CellRules(zone))
                except UnreadableCellError as error:
                    place = f"{section_name}.{field}" if section_name else field
                    raise UnreadableMapError(f"{place}.value: {error}") from None
