"""The audit of the event log: reads all events in order and checks starts, ends and positions. Does not import SQL."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from patient_visit_engine.storage.upkeep.audit_persons import (
    CHANGES_OF_PERSONS,
    PersonChange,
    Persons,
)
from patient_visit_engine.visit.codes import TrackingStatus
from patient_visit_engine.wire.event_names import (
    COMPLETED,
    PATIENT_MERGED,
    PATIENT_SEPARATED,
    PAUSED,
    REOPENED,
    RESUMED,
    STARTED,
)


@dataclass(frozen=True)
class AuditedConsultation:
    """A consultation in progress, or paused, at a position of the log. `patient_id` is a record of the person.

    `start_position` is the position of its start, or 0 when it started before the oldest position in the log.
    """

    patient_id: int | None
    appointment_id: int
    exclusive: bool
    start_position: int
    is_paused: bool = False


class AuditedEvent(Protocol):
    """One event, with the tracking of its consultation. The tracking's fields are None when that tracking is missing.

    `patient_id` is None when the event is about no patient, so also about no consultation.
    """

    seq: int
    name: str
    data: str
    patient_id: int | None
    consultation_id: str | None
    tracking_id: int | None
    tracking_patient_id: int | None
    tracking_status: str | None
    outcome: str | None
    #: Whether no reopening of its consultation follows. The tracking agrees only with the last end.
    is_last_end: bool


class AuditLogReader:
    """Follows every consultation from its start to its end, by position. A reopened or resumed one has further parts like this.

    `running` are the consultations in progress or paused before the first event, and `persons` says which records were one person then.
    `pruned_to` is the last position that was pruned.
    `add_violation` gets the kind of a violation and a description.
    """

    def __init__(
        self,
        running: dict[str, AuditedConsultation],
        add_violation: Callable[[str, str], None],
        pruned_to: int,
        persons: Persons,
    ) -> None:
        self._running: dict[str, AuditedConsultation] = {}
        self._paused: dict[str, AuditedConsultation] = {}
        self._add_violation = add_violation
        self._last = pruned_to
        self._persons = persons
        self._of_person: dict[int | None, set[str]] = defaultdict(set)
        self._of_appointment: dict[int, set[str]] = defaultdict(set)
        for consultation_id, consultation in running.items():
            if consultation.is_paused:
                self._add_paused(consultation_id, consultation)
            else:
                self._add_running(consultation_id, consultation)

    def read(self, rows: Iterable[AuditedEvent], head: int) -> None:
        """Check `rows`, the events in order, each with the tracking of its consultation. The last must be at `head`."""
        for row in rows:
            if row.seq != self._last + 1:
                self._add_violation("gap_in_log", f"positions {self._last + 1} to {row.seq - 1} are missing")
            self._last = row.seq
            if row.consultation_id is not None:
                self._check_event(row, row.consultation_id)
            elif row.name in CHANGES_OF_PERSONS:
                self._follow(row)
        if self._last != head:
            self._add_violation("gap_in_log", f"the head is {head}, the last event is at {self._last}")

    def _check_event(self, row: AuditedEvent, consultation_id: str) -> None:
        about = f"event {row.seq}, consultation {consultation_id}"
        if row.tracking_id is None:
            self._add_violation("event_without_state", f"{about}: {row.name}, but the tracking is missing")
        elif row.tracking_patient_id is None or not self._are_one_person(row.tracking_patient_id, row.patient_id):
            self._add_violation(
                "event_without_state",
                f"{about}: the event has patient {row.patient_id}, the tracking has {row.tracking_patient_id}",
            )
        if row.name in (STARTED, REOPENED, PAUSED, RESUMED, COMPLETED):
            try:
                data = json.loads(row.data)
                consultation = AuditedConsultation(
                    row.patient_id, int(data["appointment_id"]), bool(data["exclusive"]), row.seq
                )
                outcome = data["outcome"] if row.name == COMPLETED else None
            except (ValueError, KeyError, TypeError):
                self._add_violation("unreadable_event", about)
                return
            if row.name == PAUSED:
                self._check_pause(consultation_id, consultation, about)
            elif row.name == RESUMED:
                self._check_resumption(consultation_id, consultation, about)
            elif row.name != COMPLETED:
                self._check_start(consultation_id, consultation, about)
            else:
                self._check_end(row, consultation_id, outcome, about)

    def _check_start(self, consultation_id: str, consultation: AuditedConsultation, about: str) -> None:
        if consultation_id in self._running or consultation_id in self._paused:
            self._add_violation("started_twice", about)
            return
        patient_id, appointment_id = consultation.patient_id, consultation.appointment_id
        of_person = self._of_person.get(self._persons.number_of(patient_id), ())
        for other in of_person if consultation.exclusive else ():
            self._add_violation("overlapping_consultations", f"{about}: patient {patient_id} was still in {other}")
        for other in self._of_appointment[appointment_id]:
            self._add_violation(
                "two_in_progress_for_appointment", f"{about}: appointment {appointment_id} was still in {other}"
            )
        self._add_running(consultation_id, consultation)

    def _check_pause(self, consultation_id: str, consultation: AuditedConsultation, about: str) -> None:
        if self._running.pop(consultation_id, None) is None:
            self._add_violation("paused_while_not_in_progress", about)
            return
        _remove(self._of_person, self._persons.number_of(consultation.patient_id), consultation_id)
        self._add_paused(consultation_id, consultation)

    def _check_resumption(self, consultation_id: str, consultation: AuditedConsultation, about: str) -> None:
        paused = self._paused.pop(consultation_id, None)
        if paused is None:
            self._add_violation("resumed_while_not_paused", about)
            return
        # Otherwise it would be in progress for its appointment twice.
        _remove(self._of_appointment, paused.appointment_id, consultation_id)
        self._check_start(consultation_id, consultation, about)

    def _add_paused(self, consultation_id: str, consultation: AuditedConsultation) -> None:
        """The patient may be in another consultation, but the appointment has this one still."""
        self._paused[consultation_id] = consultation
        self._of_appointment[consultation.appointment_id].add(consultation_id)

    def _add_running(self, consultation_id: str, consultation: AuditedConsultation) -> None:
        self._running[consultation_id] = consultation
        if consultation.exclusive:
            self._of_person[self._persons.number_of(consultation.patient_id)].add(consultation_id)
        self._of_appointment[consultation.appointment_id].add(consultation_id)

    def _check_end(self, row: AuditedEvent, consultation_id: str, outcome: object, about: str) -> None:
        if row.is_last_end:
            self._check_tracking(row, outcome, about)
        consultation = self._running.pop(consultation_id, None) or self._paused.pop(consultation_id, None)
        if consultation is None:
            self._add_violation("ended_while_not_in_progress", about)
            return
        _remove(self._of_person, self._persons.number_of(consultation.patient_id), consultation_id)
        _remove(self._of_appointment, consultation.appointment_id, consultation_id)

    def _check_tracking(self, row: AuditedEvent, outcome: object, about: str) -> None:
        """Check that the tracking has ended as the event says."""
        if row.tracking_id is not None and row.tracking_status != TrackingStatus.completed.value:
            self._add_violation(
                "event_without_state", f"{about}: {COMPLETED}, but the tracking is {row.tracking_status}"
            )
        elif row.tracking_id is not None and row.outcome != outcome:
            self._add_violation(
                "event_without_state", f"{about}: the event has outcome {outcome}, the tracking has {row.outcome}"
            )

    def _are_one_person(self, record_id: int, other_id: int | None) -> bool:
        return self._persons.number_of(record_id) == self._persons.number_of(other_id)

    def _follow(self, row: AuditedEvent) -> None:
        """Follow a merge or a separation. A merge moves the consultations of the retired records to the survivor."""
        about = f"event {row.seq}, patient {row.patient_id}"
        try:
            change = PersonChange.parse(row.name, row.patient_id, row.data)
        except (ValueError, KeyError, TypeError):
            self._add_violation("unreadable_event", about)
            return
        persons = {self._persons.number_of(record_id) for record_id in (row.patient_id, *change.record_ids)}
        busy = [number for number in persons if self._of_person.get(number)]
        moved = set().union(*(self._of_person.pop(number) for number in busy))
        self._persons.apply(change)
        if moved:
            self._of_person[self._persons.number_of(row.patient_id)] = moved
        if row.name == PATIENT_MERGED and change.both_in_consultation != (len(busy) > 1):
            self._add_violation("inconsistent_merge", f"{about}: {len(busy)} of the records were in consultation")
        if row.name == PATIENT_SEPARATED and moved:
            self._add_violation("inconsistent_merge", f"{about}: separated while in consultation")


def _remove(consultations: dict[Any, set[str]], record_id: int | None, consultation_id: str) -> None:
    consultations[record_id].discard(consultation_id)
    if not consultations[record_id]:
        del consultations[record_id]
