"""A recorded day turned into what is to be asked and when; pure, it must not know HTTP, a database, a clock or chance.

Real starts and ends are used where the set has them. Where it has none, a consultation's length has the shape that was measured in
one outpatient clinic (median 725 s, half of them between 540 and 975 s, 3 to 60 minutes), and the same appointment always gets the
same length. Where a set moved each patient's dates, every patient's own busiest day is laid on the one day.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import NormalDist
from zoneinfo import ZoneInfo

from patient_visit_engine.cli.datasets.rows import (
    RecordedAppointment,
    RecordedSet,
    busiest_day,
    made_up_name,
    number_of,
)
from patient_visit_engine.visit.calendar import to_millisecond

MEDIAN_SECONDS, SPREAD = 725.0, 0.44
SHORTEST_SECONDS, LONGEST_SECONDS = 180.0, 3_600.0
#: Lines and ventilation run for days: in a replay of one day they end after this.
LONGEST_REPLAYED = timedelta(hours=8)
#: Where the numbers of a replay begin, far from those of any hospital or data set; a run has a million of each kind.
SPACE, A_RUN, MOST_RUNS = 6_000_000_000_000_000, 1_000_000, 3_000_000_000


class NothingToReplayError(Exception):
    """No appointment of the set is on that day."""


@dataclass(frozen=True)
class Step:
    """One appointment to be started and completed; `at` and `lasts` are recorded seconds, counted from the first start."""

    at: float
    lasts: float
    appointment_id: int
    patient_id: int
    doctor_id: int


@dataclass(frozen=True)
class Plan:
    """A day to be replayed: master data by id, and the steps in order of their time."""

    day: date
    patients: dict[int, tuple[str, str]]
    doctors: dict[int, tuple[str, str | None]]
    prestations: dict[int, tuple[str, bool, int]]
    #: Of each appointment: patient, doctor, prestation, and when it is scheduled.
    appointments: dict[int, tuple[int, int, int, datetime]]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]

    @property
    def lasts(self) -> float:
        """Recorded seconds from the first start to the last completion."""
        return max(step.at + step.lasts for step in self.steps)

    @property
    def races(self) -> int:
        """How many times several steps of one patient are at the very same moment."""
        at: dict[tuple[int, float], int] = defaultdict(int)
        for step in self.steps:
            at[step.patient_id, step.at] += 1
        return sum(1 for many in at.values() if many > 1)


def chosen(found: RecordedSet, day: date | None) -> tuple[date, list[RecordedAppointment]]:
    """The appointments of `day`, or of the busiest one; raises `NothingToReplayError`."""
    rows = found.appointments
    if not rows:
        raise NothingToReplayError(f"{found.name} holds no appointments")
    if day is None and found.dates_are_shifted:
        return _aligned(rows)
    day = day or busiest_day(rows)
    of_day = [row for row in rows if row.scheduled_at.date() == day]
    if not of_day:
        raise NothingToReplayError(f"{found.name} has no appointments on {day}")
    return day, of_day


def _aligned(rows: Sequence[RecordedAppointment]) -> tuple[date, list[RecordedAppointment]]:
    of_patient: dict[int, list[RecordedAppointment]] = defaultdict(list)
    for row in rows:
        of_patient[row.patient_id].append(row)
    busiest = {patient: busiest_day(own) for patient, own in of_patient.items()}
    return busiest_day(rows), [row for row in rows if row.scheduled_at.date() == busiest[row.patient_id]]


def plan(
    found: RecordedSet, day: date | None, today: date, zone: ZoneInfo, run: int, *, most: int = 0, rivals: int = 0
) -> Plan:
    """The set's day laid on `today`; `most` patients if not 0, and each exclusive start contested by `rivals` more doctors."""
    recorded_day, rows = chosen(found, day)
    if most:
        kept = set(list(dict.fromkeys(row.patient_id for row in rows))[:most])
        rows = [row for row in rows if row.patient_id in kept]
    return _Planner(rows, today, zone, run).plan(recorded_day, rivals, _notes(found, day, rows))


def _notes(found: RecordedSet, day: date | None, rows: Sequence[RecordedAppointment]) -> tuple[str, ...]:
    notes = list(found.notes)
    if found.dates_are_shifted and day is None:
        notes.append("each patient's own busiest day is laid on this one day: the crowd on it is not real")
    if any(row.ended is None for row in rows):
        notes.append("lengths are made up, in the shape measured in one outpatient clinic: median 725 s, 3 to 60 min")
    if any(row.ended and row.started and row.ended - row.started > LONGEST_REPLAYED for row in rows):
        notes.append("consultations of more than 8 hours end after 8 hours")
    if missed := sum(not row.attended for row in rows):
        notes.append(f"{missed} patients never came: their appointments are fed and not started")
    return tuple(notes)


class _Planner:
    def __init__(self, rows: Sequence[RecordedAppointment], today: date, zone: ZoneInfo, run: int) -> None:
        self._rows, self._today, self._zone = rows, today, zone
        self._first = SPACE + run % MOST_RUNS * A_RUN
        self._ids: dict[tuple[str, int], int] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._appointments: dict[int, tuple[int, int, int, datetime]] = {}
        self._steps: list[Step] = []

    def _id(self, kind: str, number: int) -> int:
        if (kind, number) not in self._ids:
            self._counts[kind] += 1
            self._ids[kind, number] = self._first + self._counts[kind]
        return self._ids[kind, number]

    def plan(self, recorded_day: date, rivals: int, notes: tuple[str, ...]) -> Plan:
        doctors = list(dict.fromkeys(row.doctor_id for row in self._rows))
        begins = min((_wall_seconds(row) for row in self._rows if row.attended), default=0.0)
        for row in self._rows:
            self._book(row, row.doctor_id, row.appointment_id, begins)
            place = doctors.index(row.doctor_id) if rivals and row.exclusive else 0
            for rival in range(1, 1 + (min(rivals, len(doctors) - 1) if row.exclusive and row.attended else 0)):
                # No set has a negative number, so a rival's appointment is nobody's recorded one.
                made_up = -(row.appointment_id * A_RUN + rival)
                self._book(row, doctors[(place + rival) % len(doctors)], made_up, begins)
        if not self._steps:
            raise NothingToReplayError("nobody came on that day")
        patients = {self._id("patient", row.patient_id): made_up_name(row.patient_id) for row in self._rows}
        return Plan(
            day=recorded_day,
            patients=patients,
            doctors={self._id("doctor", row.doctor_id): (row.doctor, row.specialization) for row in self._rows},
            prestations={
                self._id("prestation", row.prestation_id): (row.prestation, row.exclusive, row.expected_minutes)
                for row in self._rows
            },
            appointments=self._appointments,
            steps=tuple(sorted(self._steps, key=lambda step: (step.at, step.appointment_id))),
            notes=notes,
        )

    def _book(self, row: RecordedAppointment, doctor: int, appointment: int, begins: float) -> None:
        ids = (self._id("patient", row.patient_id), self._id("doctor", doctor))
        number = self._id("appointment", appointment)
        at = datetime.combine(self._today, row.scheduled_at.time(), self._zone)
        self._appointments[number] = (*ids, self._id("prestation", row.prestation_id), to_millisecond(at))
        if row.attended:
            self._steps.append(Step(_wall_seconds(row) - begins, _length(row), number, *ids))


def _wall_seconds(row: RecordedAppointment) -> float:
    at = row.started or row.scheduled_at
    return (at - datetime.combine(at.date(), time.min)).total_seconds()


def _length(row: RecordedAppointment) -> float:
    if row.started is not None and row.ended is not None:
        return min(row.ended - row.started, LONGEST_REPLAYED).total_seconds()
    # Never 0 or 1, where the inverse of the distribution is infinite.
    place = (number_of(str(row.appointment_id)) % 999 + 1) / 1000
    seconds = MEDIAN_SECONDS * math.exp(SPREAD * NormalDist().inv_cdf(place))
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, seconds))
