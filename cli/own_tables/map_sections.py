"""The parts of a map: where each field comes from, and the fields of each kind of record."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from patient_visit_engine.cli.own_tables import patterns
from patient_visit_engine.wire.field_types import MAX_IDENTIFIER, MAX_IDENTIFIERS
from patient_visit_engine.wire.identifier_texts import SEPARATOR


class MapPart(BaseModel):
    """A part of a map, with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _trimmed(name: str) -> str:
    if not name.strip():
        raise ValueError("is empty: write the name of a column")
    return name.strip()


ColumnName = Annotated[StrictStr, AfterValidator(_trimmed)]


class FieldSource(MapPart):
    """Where the value of a field comes from: a column, with the pattern of its dates, or a constant."""

    column: ColumnName | None = None
    pattern: StrictStr | None = None
    value: StrictBool | StrictInt | StrictStr | None = None

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("needs either `column: NAME` or `value: CONSTANT`")
        if self.pattern is not None and self.column is None:
            raise ValueError("`pattern` goes with `column`, and not with `value`")
        return self


def _check_system(system: str) -> str:
    if not system.strip() or len(system) > MAX_IDENTIFIER or SEPARATOR in system or not system.isprintable():
        raise ValueError(
            f"must have 1 to {MAX_IDENTIFIER} characters without {SEPARATOR}, for example urn:hospital:mrn"
        )
    return system


def _check_constant(value: str) -> str:
    if not value.strip() or len(value) > MAX_IDENTIFIER or not value.isprintable():
        raise ValueError(f"must have 1 to {MAX_IDENTIFIER} characters")
    return value.strip()


class IdentifierSource(MapPart):
    """A column with identifiers of one system, or a constant. `number` accepts cells that Excel stores as numbers."""

    system: Annotated[StrictStr, AfterValidator(_check_system)]
    column: ColumnName | None = None
    value: Annotated[StrictStr, AfterValidator(_check_constant)] | None = None
    number: StrictBool = False

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("needs `column: NAME`, or `value: CONSTANT` if the table has one such record")
        return self


class Section(MapPart):
    """The fields of one kind of record."""

    #: The fields without which a record cannot be sent. A section with nothing but identifiers only refers to records.
    REQUIRED: ClassVar[tuple[str, ...]] = ()

    identifiers: Annotated[tuple[IdentifierSource, ...], Field(min_length=1, max_length=MAX_IDENTIFIERS)]

    @property
    def sources(self) -> Mapping[str, FieldSource]:
        """The source of each field that the map has."""
        fields = ((name, getattr(self, name)) for name in type(self).model_fields if name != "identifiers")
        return {name: source for name, source in fields if source is not None}

    @model_validator(mode="after")
    def _check_required(self) -> Self:
        missing = [name for name in self.REQUIRED if name not in self.sources]
        if missing and self.sources:
            raise ValueError(f"needs {' and '.join(missing)} too")
        return self

    @model_validator(mode="after")
    def _check_patterns(self) -> Self:
        for name, source in self.sources.items():
            if source.pattern is not None:
                check_pattern_of(name, source.pattern)
        return self


def check_pattern_of(name: str, pattern: str) -> None:
    """Raise a ValueError when this field cannot have this pattern."""
    try:
        if name == "birth_date":
            patterns.check_date_pattern(pattern)
        elif name in ("scheduled_at", "as_of"):
            patterns.check_moment_pattern(pattern, needs_time=name == "scheduled_at")
        else:
            raise ValueError("only birth_date, scheduled_at and as_of have a pattern")
    except ValueError as error:
        raise ValueError(f"{name}.pattern: {error}") from None


class PatientSection(Section):
    last_name: FieldSource | None = None
    first_name: FieldSource | None = None
    birth_date: FieldSource | None = None
    sex: FieldSource | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.sources and self.last_name is None and self.first_name is None:
            raise ValueError("needs last_name or first_name too")
        return self


class DoctorSection(Section):
    REQUIRED: ClassVar = ("name",)

    name: FieldSource | None = None
    specialization: FieldSource | None = None
    room: FieldSource | None = None
    active: FieldSource | None = None


class PrestationSection(Section):
    REQUIRED: ClassVar = ("name", "exclusive", "expected_minutes")

    name: FieldSource | None = None
    exclusive: FieldSource | None = None
    expected_minutes: FieldSource | None = None
    active: FieldSource | None = None


class AppointmentSection(Section):
    REQUIRED: ClassVar = ("scheduled_at",)

    scheduled_at: FieldSource
    expected_minutes: FieldSource | None = None
    status: FieldSource | None = None
