"""What the tables and the log say about a few persons, read in one transaction by a test."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, select

from patient_visit_engine.storage.tables import (
    appointments,
    events,
    patient_trackings,
    patients,
    reservations,
    waiting_line,
)
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.event_names import (
    APPOINTMENT_UPDATED,
    COMPLETED,
    PATIENT_MERGED,
    PATIENT_SEPARATED,
    PATIENT_UPDATED,
    PAUSED,
    REOPENED,
    RESUMED,
    STARTED,
)


@dataclass(frozen=True)
class Picture:
    """The rows of all patients. `events` are the new ones of the log."""

    patients: tuple[Row[Any], ...]
    appointments: Mapping[int, Row[Any]]
    trackings: tuple[Row[Any], ...]
    places: tuple[Row[Any], ...]
    reservations: tuple[Row[Any], ...]
    events: tuple[Row[Any], ...]

    @property
    def running(self) -> dict[str, Row[Any]]:
        """The consultations in progress, by id."""
        return {row.consultation_id: row for row in self.trackings if row.status == "in_progress"}

    @property
    def paused(self) -> dict[str, Row[Any]]:
        """The paused consultations, by id."""
        return {row.consultation_id: row for row in self.trackings if row.status == "paused"}

    @property
    def pending(self) -> dict[int, Row[Any]]:
        """The open check-ins, by appointment."""
        return {row.appointment_id: row for row in self.trackings if row.status == "pending"}

    @property
    def lines(self) -> dict[int, list[Row[Any]]]:
        """The places in line of each person, the first one first."""
        lines = defaultdict(list)
        for row in sorted(self.places, key=lambda row: (row.turn, row.id)):
            lines[row.person_id].append(row)
        return lines

    @property
    def reserved(self) -> dict[int, Row[Any]]:
        """The reservation of each person who has one."""
        return {row.person_id: row for row in self.reservations}

    def last_outcome(self, appointment_id: int) -> str | None:
        """How the appointment's latest tracking ended."""
        outcomes: list[str | None] = [row.outcome for row in self.trackings if row.appointment_id == appointment_id]
        return outcomes[-1]


def _all_rows(table: Table) -> Select[Any]:
    return select(table).order_by(*table.primary_key)


# Built once: building a statement costs more than running it on SQLite.
PATIENTS, APPOINTMENTS, TRACKINGS = map(_all_rows, (patients, appointments, patient_trackings))
PLACES, RESERVATIONS = map(_all_rows, (waiting_line, reservations))
NEW_EVENTS = _all_rows(events).where(events.c.seq > bindparam("after"))


def read_picture(connection: Connection, after_event: int) -> Picture:
    """The rows now. The picture's events are those after position `after_event`."""

    def rows(query: Select[Any]) -> tuple[Row[Any], ...]:
        return tuple(connection.execute(query))

    return Picture(
        patients=rows(PATIENTS),
        appointments={row.id: row for row in rows(APPOINTMENTS)},
        trackings=rows(TRACKINGS),
        places=rows(PLACES),
        reservations=rows(RESERVATIONS),
        events=tuple(connection.execute(NEW_EVENTS, {"after": after_event})),
    )


@dataclass
class ReplayedLog:
    """What a reader of the log knows: it reads the events in order, and the line of a patient again after a merge.

    At a merge, the doctor of a reservation that ends gets a place in line, for which there is no event (docs/events.md).
    """

    position: int = 0
    #: The appointment of each consultation in progress.
    running: dict[str, int] = field(default_factory=dict)
    #: The appointment of each paused consultation.
    paused: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, AppointmentStatus] = field(default_factory=dict)
    #: The survivor of each record that was merged.
    survivors: dict[int, int] = field(default_factory=dict)
    #: The doctors in line for each patient.
    waiting: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def read(self, picture: Picture) -> None:
        """Follow the next events of the log. `picture` also has what a screen reads when an event says so."""
        for row in picture.events:
            assert row.seq == self.position + 1, "the log has a gap"
            self.position = row.seq
            self._follow(row.name, row.patient_id, json.loads(row.data))
            if row.name == PATIENT_MERGED:
                self.waiting[row.patient_id] = {place.doctor_id for place in picture.lines.get(row.patient_id, ())}

    def _follow(self, name: str, patient_id: int, data: dict[str, Any]) -> None:
        if name in (STARTED, REOPENED):
            assert data["consultation_id"] not in self.running, "an event says again that the consultation started"
            self.running[data["consultation_id"]] = data["appointment_id"]
            self.statuses[data["appointment_id"]] = AppointmentStatus.in_progress
        elif name == COMPLETED:
            ended_in = self.paused if data["consultation_id"] in self.paused else self.running
            appointment_id = ended_in.pop(data["consultation_id"])
            is_done = data["outcome"] == "done"
            self.statuses[appointment_id] = AppointmentStatus.done if is_done else AppointmentStatus.confirmed
        elif name in (PAUSED, RESUMED):
            before, after = (self.running, self.paused) if name == PAUSED else (self.paused, self.running)
            after[data["consultation_id"]] = before.pop(data["consultation_id"])
        elif name == APPOINTMENT_UPDATED:
            self.statuses[data["appointment_id"]] = AppointmentStatus(data["status_code"])
        elif name == PATIENT_MERGED:
            for record_id in data["retired"]:
                self.survivors[record_id] = patient_id
                self.waiting.pop(record_id, None)
        elif name == PATIENT_SEPARATED:
            self.survivors.update(dict.fromkeys(data["retired"], data["separated_id"]))
        elif name == PATIENT_UPDATED and "doctor_id" in data and "consultation_id" not in data:
            self._follow_line(patient_id, data)

    def _follow_line(self, patient_id: int, data: dict[str, Any]) -> None:
        if "offer_until" in data or data.get("why") in ("moved_down", "expired", "no_answer"):
            return
        if "why" in data:
            self.waiting[patient_id].discard(data["doctor_id"])
        else:
            self.waiting[patient_id].add(data["doctor_id"])
