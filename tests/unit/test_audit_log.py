"""The audit of the event log follows persons through merges and separations of their records."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from patient_visit_engine.storage.upkeep.audit_log import AuditedConsultation, AuditLogReader
from patient_visit_engine.storage.upkeep.audit_persons import PersonChange, Persons
from patient_visit_engine.wire.event_names import COMPLETED, PATIENT_MERGED, PATIENT_SEPARATED, PAUSED, RESUMED, STARTED

#: Four records.
A, B, C, D = 1, 2, 3, 4


@dataclass(frozen=True)
class LogRow:
    """An event as the audit reads it. Its consultation is in the tables, and agrees with it."""

    name: str
    patient_id: int
    fields: dict[str, Any]
    consultation_id: str | None = None
    seq: int = 0
    tracking_patient_id: int | None = None

    @property
    def data(self) -> str:
        return json.dumps(self.fields)

    @property
    def tracking_id(self) -> int | None:
        return None if self.consultation_id is None else 1

    tracking_status = "completed"
    outcome = "done"
    is_last_end = True


def start(patient_id: int, consultation_id: str, *, record: int | None = None, exclusive: bool = True) -> LogRow:
    """The consultation begins, with an appointment of this record of the patient."""
    fields = {"appointment_id": ord(consultation_id), "exclusive": exclusive}
    return LogRow(STARTED, patient_id, fields, consultation_id, tracking_patient_id=record or patient_id)


def end(patient_id: int, consultation_id: str, *, record: int | None = None) -> LogRow:
    fields = {"appointment_id": ord(consultation_id), "exclusive": True, "outcome": "done"}
    return LogRow(COMPLETED, patient_id, fields, consultation_id, tracking_patient_id=record or patient_id)


def pause(patient_id: int, consultation_id: str) -> LogRow:
    return replace(start(patient_id, consultation_id), name=PAUSED)


def resume(patient_id: int, consultation_id: str) -> LogRow:
    return replace(start(patient_id, consultation_id), name=RESUMED)


def merge(survivor: int, *retired: int, both: bool = False) -> LogRow:
    return LogRow(PATIENT_MERGED, survivor, {"retired": retired, "both_in_consultation": both})


def separate(survivor: int, *restored: int) -> LogRow:
    return LogRow(PATIENT_SEPARATED, survivor, {"retired": restored, "separated_id": restored[0]})


def audit_log(*rows: LogRow, persons: Persons | None = None, **running: AuditedConsultation) -> Counter[str]:
    """The violations in this log, by kind. `running` were in progress before it."""
    kinds: Counter[str] = Counter()
    reader = AuditLogReader(running, lambda kind, _: kinds.update([kind]), 0, persons or Persons({}))
    numbered: Any = [LogRow(**{**vars(row), "seq": seq}) for seq, row in zip(count(1), rows, strict=False)]
    reader.read(numbered, len(rows))
    return kinds


BOTH_BUSY = (start(A, "a"), start(B, "b"), merge(A, B, both=True))
LOGS: dict[str, tuple[tuple[LogRow, ...], dict[str, int]]] = {
    "two records, two consultations": ((start(A, "a"), start(B, "b")), {}),
    "start under the survivor while the retired record is in consultation": (
        (start(B, "b"), merge(A, B), start(A, "a")),
        {"overlapping_consultations": 1},
    ),
    "start of the retired record's appointment": (
        (start(A, "a"), merge(A, B), start(A, "b", record=B)),
        {"overlapping_consultations": 1},
    ),
    "start after the end of the retired record's consultation": (
        (start(B, "b"), merge(A, B), end(A, "b", record=B), start(A, "a")),
        {},
    ),
    "X-ray while the person is in consultation": ((start(B, "b"), merge(A, B), start(A, "a", exclusive=False)), {}),
    "both in consultation": (BOTH_BUSY, {}),
    "third start while both run": ((*BOTH_BUSY, start(A, "c")), {"overlapping_consultations": 2}),
    "third start while one still runs": (
        (*BOTH_BUSY, end(A, "a"), start(A, "c")),
        {"overlapping_consultations": 1},
    ),
    "third start after both have ended": ((*BOTH_BUSY, end(A, "a"), end(A, "b", record=B), start(A, "c")), {}),
    "merge that hides two consultations": (
        (start(A, "a"), start(B, "b"), merge(A, B)),
        {"inconsistent_merge": 1},
    ),
    "merge that invents a second consultation": ((start(A, "a"), merge(A, B, both=True)), {"inconsistent_merge": 1}),
    "chain of merges": (
        (start(C, "c"), merge(B, C), merge(A, B, C), start(A, "a")),
        {"overlapping_consultations": 1},
    ),
    "events and trackings of a chain": ((merge(B, C), merge(A, B, C), start(A, "c", record=C)), {}),
    "two consultations after a separation": (
        (start(B, "b"), merge(A, B), end(A, "b", record=B), separate(A, B), start(A, "a"), start(B, "c")),
        {},
    ),
    "two consultations of a person who stays after a separation": (
        (merge(B, C), separate(B, C), merge(B, D), start(B, "b"), start(B, "d", record=D)),
        {"overlapping_consultations": 1},
    ),
    "separated record takes its own records with it": (
        (merge(B, C), merge(A, B, C), separate(A, B, C), start(B, "b"), start(B, "c", record=C)),
        {"overlapping_consultations": 1},
    ),
    "record that was separated twice": (
        (merge(B, C), merge(A, C, B), separate(A, C, B), separate(B, C), start(B, "b"), start(C, "c")),
        {},
    ),
    "separation while in consultation": (
        (merge(A, B), start(A, "a"), separate(A, B)),
        {"inconsistent_merge": 1},
    ),
    "tracking of another person": ((merge(A, B), start(A, "c", record=C)), {"event_without_state": 1}),
    "tracking of a record before its merge": ((start(A, "b", record=B), merge(A, B)), {"event_without_state": 1}),
    "another consultation during a pause": (
        (start(A, "a"), pause(A, "a"), start(A, "b"), end(A, "b"), resume(A, "a"), end(A, "a")),
        {},
    ),
    "end during a pause": ((start(A, "a"), pause(A, "a"), start(A, "b"), end(A, "a")), {}),
    "resumption during another consultation": (
        (start(A, "a"), pause(A, "a"), start(A, "b"), resume(A, "a")),
        {"overlapping_consultations": 1},
    ),
    "start after a resumption": (
        (start(A, "a"), pause(A, "a"), resume(A, "a"), start(A, "b")),
        {"overlapping_consultations": 1},
    ),
    "pause of what does not run": ((start(A, "a"), pause(A, "a"), pause(A, "a")), {"paused_while_not_in_progress": 1}),
    "resumption of what runs": ((start(A, "a"), resume(A, "a")), {"resumed_while_not_paused": 1}),
    "second start of what is paused": ((start(A, "a"), pause(A, "a"), start(A, "a")), {"started_twice": 1}),
    "third start while one is paused and one runs": (
        (*BOTH_BUSY, pause(A, "a"), start(A, "c")),
        {"overlapping_consultations": 1},
    ),
    "merge of a paused one": ((start(A, "a"), pause(A, "a"), start(B, "b"), merge(A, B)), {}),
    "merge that cannot be read": ((LogRow(PATIENT_MERGED, A, {"retired": []}),), {"unreadable_event": 1}),
}


@pytest.mark.parametrize("name", LOGS)
def test_follows_persons_through_the_log(name: str) -> None:
    rows, kinds = LOGS[name]

    assert audit_log(*rows) == kinds


def changes(*rows: LogRow) -> list[PersonChange]:
    """The changes of persons, newest first."""
    return [PersonChange.parse(row.name, row.patient_id, row.data) for row in reversed(rows)]


def test_persons_before_the_log_are_those_of_pruned_merges() -> None:
    """C was merged into B before the first event of the log. B is merged into A in the log."""
    in_log = (merge(A, B, C), start(A, "a"))
    persons = Persons.before(changes(*in_log[:1]), {B: A, C: A})
    running = {"c": AuditedConsultation(C, 99, exclusive=True, start_position=0)}

    assert audit_log(start(B, "b"), persons=persons, **running) == {"overlapping_consultations": 1}
    persons = Persons.before(changes(*in_log[:1]), {B: A, C: A})
    assert audit_log(*in_log, persons=persons, **running) == {"overlapping_consultations": 1}
    persons = Persons.before(changes(*in_log[:1]), {B: A, C: A})
    assert audit_log(start(A, "a"), persons=persons, **running) == {}


def test_persons_before_a_separation_in_the_log_are_one() -> None:
    in_log = separate(A, B, C)
    running = {"c": AuditedConsultation(C, 99, exclusive=True, start_position=0)}

    assert audit_log(start(A, "a"), persons=Persons.before(changes(in_log), {C: B}), **running) == {
        "overlapping_consultations": 1
    }
    assert audit_log(in_log, start(A, "a"), persons=Persons.before(changes(in_log), {C: B})) == {}
