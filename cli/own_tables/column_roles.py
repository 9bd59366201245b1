"""Gives each column of a table to a field of a map, by the words of its name and by its first cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from patient_visit_engine.cli.own_tables.cell_values import CellValue, display
from patient_visit_engine.cli.own_tables.header_words import classify
from patient_visit_engine.cli.own_tables.sampling import DATES, MOMENTS, fitting_patterns

#: Attributes that belong to one role, also if the name has a word of another role.
OWNERS = {
    "birth_date": "patient",
    "sex": "patient",
    "specialization": "doctor",
    "room": "doctor",
    "expected_minutes": "prestation",
    "status": "appointment",
    "scheduled_at": "appointment",
    "as_of": "",
}


@dataclass(frozen=True)
class SampledColumn:
    """A column with the cells of the first rows. `is_whole_name` if it seems to have given names and surnames in one."""

    name: str
    cells: tuple[CellValue, ...]
    is_whole_name: bool = False

    @cached_property
    def dates(self) -> tuple[CellValue, ...]:
        """The date cells of a workbook."""
        return tuple(cell for cell in self.cells if isinstance(cell, date | datetime))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The different texts of the other cells, without empty ones."""
        texts = (display(cell).strip() for cell in self.cells if not isinstance(cell, date | datetime))
        return tuple(dict.fromkeys(text for text in texts if text))

    @property
    def has_moments(self) -> bool:
        """Whether the cells are dates or times."""
        return bool(self.dates) or bool(fitting_patterns(self.texts, (*MOMENTS, *DATES)))


@dataclass
class ColumnRoles:
    """The columns by role and attribute: `patient` and `last_name` for `Surname`."""

    columns: Sequence[SampledColumn]
    #: What is not clear about the whole table.
    doubts: list[str] = field(default_factory=list)
    #: What is not clear about the identifiers of a section.
    identifier_doubts: dict[str, str] = field(default_factory=dict)
    _by_role: dict[tuple[str, str], SampledColumn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bare: list[tuple[str, SampledColumn]] = []
        for column in self.columns:
            role, attribute = classify(column.name)
            if role == "appointment" and not attribute and column.has_moments:
                attribute = "scheduled_at"
            if attribute in OWNERS:
                self._assign(OWNERS[attribute], attribute, column)
            elif role and attribute:
                self._assign(role, attribute, column)
            elif role:
                bare.append((role, column))
        for role, column in bare:
            self._assign_bare(role, column)
        self._complete_names()

    def column(self, role: str, attribute: str) -> SampledColumn | None:
        """The column of this field, if the table has one."""
        return self._by_role.get((role, attribute))

    def _assign(self, role: str, attribute: str, column: SampledColumn) -> None:
        first = self._by_role.setdefault((role, attribute), column)
        if first is not column:
            self.doubts.append(f'"{column.name}" is not used: "{first.name}" seems to be the same')

    def _assign_bare(self, role: str, column: SampledColumn) -> None:
        """Assign a column such as `Doctor` as the number or the name, depending on which one the table lacks."""
        if (
            self.column(role, "id") is None
            and self._is_free(role, "id")
            and (role == "appointment" or self.column(role, "name") is not None or role == "prestation")
        ) or (self.column(role, "id") is None and all(any(map(str.isdigit, text)) for text in column.texts)):
            self._assign(role, "id", column)
        else:
            self._assign(role, "name", column)

    def _is_free(self, role: str, attribute: str) -> bool:
        return (role, attribute) not in self._by_role

    def _complete_names(self) -> None:
        """Use the name as the identifier and the identifier as the name, where the table has only one of both."""
        for role in ("doctor", "prestation"):
            name, number = self.column(role, "name"), self.column(role, "id")
            if number is None and name is not None:
                self._by_role[role, "id"] = name
                if role == "doctor":
                    self.identifier_doubts[role] = (
                        "no column has numbers of doctors: two doctors of one name would be one"
                    )
            elif name is None and number is not None:
                self._by_role[role, "name"] = number
        whole = self.column("patient", "name")
        missing = [name for name in ("last_name", "first_name") if self.column("patient", name) is None]
        if whole is not None and missing:
            self._by_role["patient", missing[0]] = SampledColumn(whole.name, whole.cells, len(missing) == 2)
