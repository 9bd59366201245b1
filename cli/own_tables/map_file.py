"""The map of a hospital's table: which column has which field. Each error names the key and says what to write."""

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, StrictStr, ValidationError, model_validator

from patient_visit_engine.cli.own_tables.map_sections import (
    AppointmentSection,
    DoctorSection,
    FieldSource,
    IdentifierSource,
    MapPart,
    PatientSection,
    PrestationSection,
    Section,
    check_pattern_of,
)
from patient_visit_engine.cli.own_tables.map_text import UnreadableMapError, read_yaml
from patient_visit_engine.wire.field_types import MAX_IDENTIFIERS


def _check_encoding(encoding: str) -> str:
    try:
        codecs.lookup(encoding)
        "".encode(encoding)
    except (LookupError, TypeError, ValueError):
        raise ValueError("is unknown: for example utf-8, cp1252 (Windows) or utf-16 (Excel's Unicode text)") from None
    return encoding


def _check_delimiter(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(r'must be one character: ",", ";", "|" or "\t" (a tab, in double quotes)')
    return delimiter


class TableMap(MapPart):
    """The whole map."""

    encoding: Annotated[StrictStr, AfterValidator(_check_encoding)] | None = None
    delimiter: Annotated[StrictStr, AfterValidator(_check_delimiter)] | None = None
    sheet: StrictStr | None = None
    as_of: FieldSource | None = None
    patient: PatientSection | None = None
    doctor: DoctorSection | None = None
    prestation: PrestationSection | None = None
    appointment: AppointmentSection | None = None

    @property
    def sections(self) -> Mapping[str, Section]:
        """The sections that the map has, in the order in which their records are sent."""
        pairs = (
            ("patient", self.patient),
            ("doctor", self.doctor),
            ("prestation", self.prestation),
            ("appointment", self.appointment),
        )
        return {name: section for name, section in pairs if section is not None}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the map names, each one once."""
        names: list[str] = []
        for section in self.sections.values():
            names += [identifier.column for identifier in section.identifiers if identifier.column is not None]
            names += [source.column for source in section.sources.values() if source.column is not None]
        if self.as_of is not None and self.as_of.column is not None:
            names.append(self.as_of.column)
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _check_sections(self) -> Self:
        if not any(section.sources for section in self.sections.values()):
            raise ValueError("needs a section with fields: patient, doctor, prestation or appointment")
        missing = [name for name in ("patient", "doctor", "prestation") if name not in self.sections]
        if self.appointment is not None and missing:
            raise ValueError(
                f"appointment needs the section {missing[0]} too: its identifiers are enough when the system has its records"
            )
        if self.as_of is not None and self.as_of.pattern is not None:
            check_pattern_of("as_of", self.as_of.pattern)
        return self


def read_map(path: Path) -> TableMap:
    """The map in this file. Raises `UnreadableMapError` with one line for a person."""
    try:
        return parse_map(read_yaml(path))
    except UnreadableMapError as error:
        raise UnreadableMapError(f"{path}: {error}") from None


def parse_map(values: Mapping[str, Any]) -> TableMap:
    """The map with these keys and values. Raises `UnreadableMapError`."""
    try:
        return TableMap.model_validate(values)
    except ValidationError as invalid:
        errors = invalid.errors()
        inner = [error["loc"] for error in errors]
        # A list with a wrong item counts as too short as well.
        listed = [
            error
            for error in errors
            if error["type"] != "too_short"
            or not any(place[:-1][: len(error["loc"])] == error["loc"] for place in inner)
        ]
        raise UnreadableMapError("; ".join(map(_error_text, listed))) from None


def _error_text(error: Any) -> str:
    # The parts of a union have names of types, which are no keys of the map.
    keys = [str(part) for part in error["loc"] if not (isinstance(part, str) and "[" in part)]
    keys = [key for key in keys if key not in ("bool", "int", "str", "constrained-str")]
    place = ".".join(keys)
    match error["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key: {_possible_keys(keys)}"
        case "missing":
            return f"{place}: is missing"
        case "string_type":
            return f'{place}: must be text: quote it, as in {keys[-1]}: "{error["input"]}"'
        case "model_type" | "tuple_type":
            example = "- {system: ..., column: ...}" if error["type"] == "tuple_type" else "{column: NAME}"
            return f"{place}: must be like {example}"
        case "too_short" | "too_long":
            return f"{place}: needs 1 to {MAX_IDENTIFIERS} of `- {{system: ..., column: ...}}`"
        case _:
            reason = error["msg"].removeprefix("Value error, ")
            return f"{place}: {reason}" if place else reason


def _possible_keys(keys: list[str]) -> str:
    part: Any = TableMap
    for key in keys[:-1]:
        if key.isdecimal():
            part = IdentifierSource
        elif key in ("patient", "doctor", "prestation", "appointment") and part is TableMap:
            part = {
                "patient": PatientSection,
                "doctor": DoctorSection,
                "prestation": PrestationSection,
                "appointment": AppointmentSection,
            }[key]
        elif key != "identifiers":
            part = FieldSource
    return f"possible are {', '.join(part.model_fields)}"
