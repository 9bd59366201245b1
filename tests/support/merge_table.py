"""What stands after a merge of two records, for each pair of states: the table of docs/merge.md, with values."""

from typing import NamedTuple

from tests.support.builders import DR_AMRANI, DR_OKAFOR, Doctor


class MergedPair(NamedTuple):
    """Two states, and after their merge: consultations, check-ins, the line, for whom the patient is reserved, and the new offer.

    Dr. Amrani waits for the first record, and Dr. Okafor, who came earlier, for the second one.
    """

    first: str
    second: str
    consultations: int = 0
    check_ins: int = 0
    line: tuple[Doctor, ...] = ()
    reserved: Doctor | None = None
    offered: Doctor | None = None


PAIRS = [
    MergedPair("free", "free", 0, 0),
    MergedPair("free", "checked in", 0, 1),
    MergedPair("free", "exclusive", 1, 0),
    MergedPair("free", "other", 1, 0),
    MergedPair("free", "in line", 0, 0, (DR_OKAFOR,), None, DR_OKAFOR),
    MergedPair("free", "offered", 0, 0, (DR_OKAFOR,), DR_OKAFOR, None),
    MergedPair("checked in", "checked in", 0, 2),
    MergedPair("checked in", "exclusive", 1, 1),
    MergedPair("checked in", "other", 1, 1),
    MergedPair("checked in", "in line", 0, 1, (DR_OKAFOR,), None, DR_OKAFOR),
    MergedPair("checked in", "offered", 0, 1, (DR_OKAFOR,), DR_OKAFOR, None),
    MergedPair("exclusive", "exclusive", 2, 0),
    MergedPair("exclusive", "other", 2, 0),
    MergedPair("exclusive", "in line", 1, 0, (DR_OKAFOR,), None, None),
    MergedPair("exclusive", "offered", 1, 0, (DR_OKAFOR,), None, None),
    MergedPair("other", "other", 2, 0),
    MergedPair("other", "in line", 1, 0, (DR_OKAFOR,), None, DR_OKAFOR),
    MergedPair("other", "offered", 1, 0, (DR_OKAFOR,), DR_OKAFOR, None),
    MergedPair("in line", "in line", 0, 0, (DR_OKAFOR, DR_AMRANI), None, DR_OKAFOR),
    MergedPair("in line", "offered", 0, 0, (DR_OKAFOR, DR_AMRANI), DR_OKAFOR, None),
    MergedPair("offered", "offered", 0, 0, (DR_OKAFOR, DR_AMRANI), DR_OKAFOR, None),
]
