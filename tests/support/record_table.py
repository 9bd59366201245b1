"""The rows of docs/decisions.md about the merge of two records, with values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.person_records import SeenRecord, StoredMerge
from patient_visit_engine.visit.state import VisitState
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_OKAFOR,
    JOHN_DOE,
    MARIA_SILVA,
    YESTERDAY,
    a_consultation,
    a_visit,
    an_appointment,
)
from tests.support.commands import a_merge, a_past, a_separation
from tests.support.decision_table import OFFERED, DecisionRow, Situation

HERS = MARIA_SILVA.id
THIRD_PATIENT = 777
OF_AMRANI = a_consultation(an_appointment(patient=MARIA_SILVA))


@dataclass(frozen=True)
class RecordSituation(Situation):
    """John Doe's visit, and the record that is merged into his or separated from it."""

    record: SeenRecord


def _two_records(visit: VisitState | None = None, facts: Facts | None = None, **record: Any) -> RecordSituation:
    seen = SeenRecord(id=HERS, person_id=HERS, record_ids=(HERS,), facts=facts or Facts())
    appointment = an_appointment()
    about = visit or a_visit(), appointment, a_past(appointment), a_consultation(appointment)
    return RecordSituation(*about, seen.model_copy(update=record))


def _merged(day: Any = DAY, **visit: Any) -> RecordSituation:
    merge = StoredMerge(survivor_id=JOHN_DOE.id, retired=(HERS,), day=day, both_in_consultation=False)
    return _two_records(a_visit(**visit), person_id=JOHN_DOE.id, merge=merge)


STATES: dict[str, Callable[[], Situation]] = {
    "two records, nothing open": _two_records,
    "two records, a doctor in line for one of them": lambda: _two_records(a_visit(waiting=[DR_OKAFOR])),
    "two records, both in consultation": lambda: _two_records(
        a_visit(in_consultation_with=DR_OKAFOR), Facts(in_progress=(OF_AMRANI,))
    ),
    "one record, the other one merged into it": _merged,
    "one record, merged yesterday": lambda: _merged(YESTERDAY),
    "one record, checked in": lambda: _merged(checked_in=[an_appointment(DR_AMRANI)]),
    "the other record is merged into a third one": lambda: _two_records(person_id=THIRD_PATIENT),
    "the other record is the survivor": lambda: _two_records(id=JOHN_DOE.id, person_id=JOHN_DOE.id),
}
MERGE, SEPARATE = "Merge", "Separate"
COMMANDS: dict[str, Callable[[Any], Command]] = {
    MERGE: lambda now: a_merge(now.record),
    SEPARATE: lambda now: a_separation(now.record),
}
MERGED = (("RetireRecord",), ("patient.merged",))
ROWS = [
    DecisionRow(MERGE, "two records, nothing open", "200", *MERGED),
    DecisionRow(
        MERGE,
        "two records, a doctor in line for one of them",
        "200",
        ("RetireRecord", "OfferPatient"),
        ("patient.merged", *OFFERED),
    ),
    DecisionRow(MERGE, "two records, both in consultation", "200", *MERGED),
    DecisionRow(MERGE, "one record, the other one merged into it", "200"),
    DecisionRow(MERGE, "the other record is merged into a third one", "already_merged"),
    DecisionRow(MERGE, "the other record is the survivor", "merge_cycle"),
    DecisionRow(
        SEPARATE, "one record, the other one merged into it", "200", ("RestoreRecord",), ("patient.separated",)
    ),
    DecisionRow(SEPARATE, "one record, merged yesterday", "merge_not_today"),
    DecisionRow(SEPARATE, "one record, checked in", "merge_in_use"),
    DecisionRow(SEPARATE, "two records, nothing open", "unknown_merge"),
    DecisionRow(SEPARATE, "the other record is merged into a third one", "unknown_merge"),
]
