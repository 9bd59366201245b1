"""By what staff tell two patients apart: the names, the birth date and the record number."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, TypedDict

from patient_visit_engine.wire.person_names import full_name
from patient_visit_engine.wire.search_words import patient_words


class NextToName(TypedDict):
    """What is next to a shown name of a patient, because two patients may have one name."""

    family_name: str | None
    birth_date: str | None
    record_number: str | None


@dataclass(frozen=True)
class PatientIdentity:
    """What is shown of a patient. Birth date (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`) and record number are None when unknown."""

    first_name: str | None
    last_name: str | None
    birth_date: str | None
    record_number: str | None

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "PatientIdentity":
        """The identity in a row that has these four columns."""
        return cls(row["first_name"], row["last_name"], row["birth_date"], row["record_number"])

    @property
    def name(self) -> str:
        return full_name(self.first_name, self.last_name)

    @property
    def family_name(self) -> str | None:
        """The end of the name that is the family name. Many people have one name only."""
        return self.last_name or None

    def next_to_name(self) -> NextToName:
        """The family name, the birth date and the record number."""
        return {
            "family_name": self.family_name,
            "birth_date": self.birth_date,
            "record_number": self.record_number,
        }

    def search_words(self) -> frozenset[str]:
        """The words by which the patient is found."""
        return patient_words(*astuple(self))
