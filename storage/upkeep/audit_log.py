"""Reading the event log from its oldest position to its head, and what must hold on the way; it must not know SQL."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from patient_visit_engine.visit.codes import TrackingStatus
from patient_visit_engine.wire.events import COMPLETED, STARTED


@dataclass(frozen=True)
class AuditedConsultation:
    """A consultation in progress at a position of the log; `since` is where it began, 0 for before the oldest kept."""

    patient_id: int
    appointment_id: int
    exclusive: bool
    since: int


class AuditLogReader:
    """Follows every consultation from its start to its end, by position."""

    def __init__(
        self, running: dict[str, AuditedConsultation], violated: Callable[[str, str], None], pruned_to: int
    ) -> None:
        self._running = dict(running)
        self._violated = violated
        self._last = pruned_to
        self._of_patient: dict[int, set[str]] = defaultdict(set)
        self._of_appointment: dict[int, set[str]] = defaultdict(set)
        for consultation, held in running.items():
            self._hold(consultation, held)

    def read(self, rows: Iterable[Any], head: int) -> None:
        """Follow `rows`, each an event in order with the tracking of its consultation; the log must end at `head`."""
        for row in rows:
            if row.seq != self._last + 1:
                self._violated("gap_in_log", f"positions {self._last + 1} to {row.seq - 1} are missing")
            self._last = row.seq
            if row.consultation_id is not None:
                self._follow(row)
        if self._last != head:
            self._violated("gap_in_log", f"the head is {head}, the last event is at {self._last}")

    def _follow(self, row: Any) -> None:
        about = f"event {row.seq}, consultation {row.consultation_id}"
        if row.tracking_id is None:
            self._violated("event_without_state", f"{about}: {row.name}, and no such tracking")
        elif row.of_patient != row.patient_id:
            self._violated(
                "event_without_state", f"{about}: told of patient {row.patient_id}, kept of {row.of_patient}"
            )
        if row.name in (STARTED, COMPLETED):
            try:
                data = json.loads(row.data)
                told = AuditedConsultation(
                    row.patient_id, int(data["appointment_id"]), bool(data["exclusive"]), row.seq
                )
                outcome = data["outcome"] if row.name == COMPLETED else None
            except (ValueError, KeyError, TypeError):
                self._violated("unreadable_event", about)
                return
            if row.name == STARTED:
                self._start(row.consultation_id, told, about)
            else:
                self._end(row, outcome, about)

    def _start(self, consultation: str, told: AuditedConsultation, about: str) -> None:
        if consultation in self._running:
            self._violated("started_twice", about)
            return
        for other in self._of_patient[told.patient_id] if told.exclusive else ():
            self._violated("overlapping_consultations", f"{about}: patient {told.patient_id} was still in {other}")
        for other in self._of_appointment[told.appointment_id]:
            self._violated(
                "two_in_progress_for_appointment", f"{about}: appointment {told.appointment_id} was still in {other}"
            )
        self._hold(consultation, told)

    def _hold(self, consultation: str, held: AuditedConsultation) -> None:
        self._running[consultation] = held
        if held.exclusive:
            self._of_patient[held.patient_id].add(consultation)
        self._of_appointment[held.appointment_id].add(consultation)

    def _end(self, row: Any, outcome: Any, about: str) -> None:
        if row.tracking_id is not None and row.tracking_status != TrackingStatus.completed.value:
            self._violated("event_without_state", f"{about}: {COMPLETED}, and its tracking is {row.tracking_status}")
        elif row.tracking_id is not None and row.outcome != outcome:
            self._violated("event_without_state", f"{about}: told as {outcome}, kept as {row.outcome}")
        held = self._running.pop(row.consultation_id, None)
        if held is None:
            self._violated("ended_while_not_in_progress", about)
            return
        _drop(self._of_patient, held.patient_id, row.consultation_id)
        _drop(self._of_appointment, held.appointment_id, row.consultation_id)


def _drop(of: dict[int, set[str]], number: int, consultation: str) -> None:
    of[number].discard(consultation)
    if not of[number]:
        del of[number]
