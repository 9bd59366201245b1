"""Which patient records were one person at each position of the event log. Does not import SQL."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patient_visit_engine.wire.event_names import PATIENT_MERGED, PATIENT_SEPARATED

#: The events that change the person of a record.
CHANGES_OF_PERSONS = (PATIENT_MERGED, PATIENT_SEPARATED)


@dataclass(frozen=True)
class PersonChange:
    """A merge gives the records to the patient. A separation makes them another person."""

    name: str
    patient_id: int
    record_ids: tuple[int, ...]
    both_in_consultation: bool = False

    @classmethod
    def parse(cls, name: str, patient_id: int | None, data: str) -> "PersonChange":
        """The change in the data of an event. Raises ValueError, KeyError or TypeError when it cannot be read."""
        fields = json.loads(data)
        record_ids = tuple(int(number) for number in fields["retired"])
        if patient_id is None or not record_ids:
            raise ValueError("no record changed its person")
        return cls(name, patient_id, record_ids, name == PATIENT_MERGED and bool(fields["both_in_consultation"]))


class Persons:
    """Gives all records of one person the same number. `of_record` has the survivors of retired records.

    A number is the id of one of the person's records, or negative. No record has a negative id.
    """

    def __init__(self, of_record: Mapping[int, int]) -> None:
        self._of_record = dict(of_record)
        self._last_number = 0

    @classmethod
    def before(cls, newest_first: Iterable[PersonChange], of_record: Mapping[int, int]) -> "Persons":
        """The persons before these changes. `of_record` has the survivors of now."""
        persons = cls(of_record)
        for change in newest_first:
            # To undo a separation, the records are given back to the patient.
            persons._move(change, to_patient=change.name == PATIENT_SEPARATED)
        return persons

    def number_of(self, record_id: int | None) -> int | None:
        """The number of the record's person. None for the patient of an event that is about no patient."""
        return record_id if record_id is None else self._of_record.get(record_id, record_id)

    def apply(self, change: PersonChange) -> None:
        """Follow a merge or a separation."""
        self._move(change, to_patient=change.name == PATIENT_MERGED)

    def _move(self, change: PersonChange, *, to_patient: bool) -> None:
        if to_patient:
            number = self._of_record.get(change.patient_id, change.patient_id)
        else:
            # A record's id can be the number of the person that it leaves.
            self._last_number -= 1
            number = self._last_number
        self._of_record |= dict.fromkeys(change.record_ids, number)
