"""The patient records of one person, as a merge or a separation sees them."""

from datetime import date

from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.frozen import Frozen


class StoredMerge(Frozen):
    """A merge that stands. `retired` are the ids of the records that it moved, `day` is its hospital day."""

    survivor_id: int
    retired: tuple[int, ...]
    day: date
    both_in_consultation: bool


class SeenRecord(Frozen):
    """The record that a merge retires, or that a separation restores, as it was read.

    `person_id` is the id of its survivor, its own id when it is not merged. `record_ids` are this record and those that were merged
    into it. `facts` is empty for a retired record, because everything open belongs to its survivor. `merge` is the merge that retired
    it.
    """

    id: int
    person_id: int
    record_ids: tuple[int, ...]
    facts: Facts = Facts()
    merge: StoredMerge | None = None
