"""Turns a recorded day into a plan: which appointments to start, and when. Pure: no HTTP, no database, no clock, no random numbers.

The plan uses real starts and ends where the set has them. Other consultations get a made-up length. Its distribution was measured in
one outpatient clinic: median 725 s, half of the values between 540 and 975 s. The limits are 3 and 60 minutes. The same appointment
always gets the same length. If the set moved each patient's dates, each patient's own busiest day is moved to one common day.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import NormalDist

from patient_visit_engine.cli.datasets.made_up import made_up_name, stable_number
from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet, busiest_day
from patient_visit_engine.cli.replay.staff_actions import StaffAction
from patient_visit_engine.visit.calendar import HospitalCalendar, to_millisecond

MEDIAN_SECONDS, SPREAD = 725.0, 0.44
MIN_SECONDS, MAX_SECONDS = 180.0, 3_600.0
#: Lines and ventilation run for days. In a replay of one day they end after this.
MAX_REPLAYED = timedelta(hours=8)
#: Where the ids of replays begin, far from the ids of any hospital or data set. Each run has a million ids of each kind.
FIRST_ID, IDS_PER_RUN, MAX_RUNS = 6_000_000_000_000_000, 1_000_000, 3_000_000_000


class NothingToReplayError(Exception):
    """The set has no appointment on that day."""


@dataclass(frozen=True)
class Step:
    """One appointment to start and complete.

    `at` is the start and `duration` the length, both in recorded seconds. `at` counts from the first start of the day.
    """

    at: float
    duration: float
    appointment_id: int
    patient_id: int
    doctor_id: int


@dataclass(frozen=True)
class ReplayPlan:
    """A day to replay: the master data by id, and the steps in order of time."""

    day: date
    #: First and last name.
    patients: dict[int, tuple[str, str]]
    #: Name and specialization.
    doctors: dict[int, tuple[str, str | None]]
    #: Name, whether it is exclusive, and expected minutes.
    prestations: dict[int, tuple[str, bool, int]]
    #: Patient, doctor, prestation, and scheduled time.
    appointments: dict[int, tuple[int, int, int, datetime]]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    #: What all staff do, when the day is generated. Then there are no steps.
    actions: tuple[StaffAction, ...] = ()

    @property
    def duration(self) -> float:
        """Recorded seconds from the first start to the last completion, or from the first action to the last one."""
        return max([step.at + step.duration for step in self.steps] + [action.at for action in self.actions])

    @property
    def size(self) -> int:
        """How many steps or actions the plan has."""
        return len(self.steps) + len(self.actions)

    def busiest_doctors(self, number: int) -> list[int]:
        """The doctors with the most steps or starts."""
        starts = [action.staff.number for action in self.actions if action.command == "start"]
        return [doctor for doctor, _ in Counter([step.doctor_id for step in self.steps] + starts).most_common(number)]

    @property
    def races(self) -> int:
        """How many times one patient has several starts at exactly the same time."""
        counts: dict[tuple[int, float], int] = defaultdict(int)
        for step in self.steps:
            counts[step.patient_id, step.at] += 1
        return sum(1 for count in counts.values() if count > 1)


def build_plan(
    data_set: RecordedSet,
    day: date | None,
    today: date,
    calendar: HospitalCalendar,
    run: int,
    *,
    max_patients: int = 0,
    rivals: int = 0,
) -> ReplayPlan:
    """Move the set's `day` (or its busiest day) to the hospital day `today`. Raises `NothingToReplayError`.

    `max_patients` limits the patients if it is not 0. `rivals` is how many more doctors start each exclusive appointment.
    """
    recorded_day, rows = _select_day(data_set, day)
    if max_patients:
        selected = set(list(dict.fromkeys(row.patient_id for row in rows))[:max_patients])
        rows = [row for row in rows if row.patient_id in selected]
    return _Planner(rows, today, calendar, run).build(recorded_day, rivals, _notes(data_set, day, rows))


def _select_day(data_set: RecordedSet, day: date | None) -> tuple[date, list[RecordedAppointment]]:
    rows = data_set.appointments
    if not rows:
        raise NothingToReplayError(f"{data_set.name} has no appointments")
    if day is None and data_set.dates_are_shifted:
        return _select_busiest_day_of_each_patient(rows)
    day = day or busiest_day(rows)
    rows_of_day = [row for row in rows if row.scheduled_at.date() == day]
    if not rows_of_day:
        raise NothingToReplayError(f"{data_set.name} has no appointments on {day}")
    return day, rows_of_day


def _select_busiest_day_of_each_patient(rows: Sequence[RecordedAppointment]) -> tuple[date, list[RecordedAppointment]]:
    rows_of_patient: dict[int, list[RecordedAppointment]] = defaultdict(list)
    for row in rows:
        rows_of_patient[row.patient_id].append(row)
    busiest = {patient: busiest_day(patient_rows) for patient, patient_rows in rows_of_patient.items()}
    return busiest_day(rows), [row for row in rows if row.scheduled_at.date() == busiest[row.patient_id]]


def _notes(data_set: RecordedSet, day: date | None, rows: Sequence[RecordedAppointment]) -> tuple[str, ...]:
    notes = list(data_set.notes)
    if data_set.dates_are_shifted and day is None:
        notes.append("each patient's own busiest day is moved to this one day: the crowd on it is not real")
    if any(row.ended_at is None for row in rows):
        notes.append("lengths are made up, as measured in one outpatient clinic: median 725 s, 3 to 60 min")
    if any(row.ended_at and row.started_at and row.ended_at - row.started_at > MAX_REPLAYED for row in rows):
        notes.append("consultations of more than 8 hours end after 8 hours")
    if missed := sum(not row.attended for row in rows):
        notes.append(f"{missed} patients never came: their appointments are fed and not started")
    return tuple(notes)


class _Planner:
    def __init__(self, rows: Sequence[RecordedAppointment], today: date, calendar: HospitalCalendar, run: int) -> None:
        self._rows, self._today, self._calendar = rows, today, calendar
        self._id_base = FIRST_ID + run % MAX_RUNS * IDS_PER_RUN
        self._ids: dict[tuple[str, int], int] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._appointments: dict[int, tuple[int, int, int, datetime]] = {}
        self._steps: list[Step] = []

    def _id(self, kind: str, recorded_id: int) -> int:
        if (kind, recorded_id) not in self._ids:
            self._counts[kind] += 1
            self._ids[kind, recorded_id] = self._id_base + self._counts[kind]
        return self._ids[kind, recorded_id]

    def build(self, recorded_day: date, rivals: int, notes: tuple[str, ...]) -> ReplayPlan:
        doctors = list(dict.fromkeys(row.doctor_id for row in self._rows))
        first_start = min((_seconds_of_day(row) for row in self._rows if row.attended), default=0.0)
        for row in self._rows:
            self._book(row, row.doctor_id, row.appointment_id, first_start)
            first_doctor = doctors.index(row.doctor_id) if rivals and row.exclusive else 0
            for rival in range(1, 1 + (min(rivals, len(doctors) - 1) if row.exclusive and row.attended else 0)):
                # No set has negative numbers, so a rival's appointment never collides with a recorded one.
                rival_appointment = -(row.appointment_id * IDS_PER_RUN + rival)
                self._book(row, doctors[(first_doctor + rival) % len(doctors)], rival_appointment, first_start)
        if not self._steps:
            raise NothingToReplayError("no patient came on that day")
        patients = {self._id("patient", row.patient_id): made_up_name(row.patient_id) for row in self._rows}
        return ReplayPlan(
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

    def _book(self, row: RecordedAppointment, doctor_id: int, appointment_id: int, first_start: float) -> None:
        ids = (self._id("patient", row.patient_id), self._id("doctor", doctor_id))
        new_id = self._id("appointment", appointment_id)
        at = self._calendar.moment(self._today, row.scheduled_at.time())
        self._appointments[new_id] = (*ids, self._id("prestation", row.prestation_id), to_millisecond(at))
        if row.attended:
            self._steps.append(Step(_seconds_of_day(row) - first_start, _duration(row), new_id, *ids))


def _seconds_of_day(row: RecordedAppointment) -> float:
    at = row.started_at or row.scheduled_at
    return (at - datetime.combine(at.date(), time.min)).total_seconds()


def _duration(row: RecordedAppointment) -> float:
    if row.started_at is not None and row.ended_at is not None:
        return min(row.ended_at - row.started_at, MAX_REPLAYED).total_seconds()
    # Never 0 or 1, where the inverse of the distribution is infinite.
    quantile = (stable_number(str(row.appointment_id)) % 999 + 1) / 1000
    seconds = MEDIAN_SECONDS * math.exp(SPREAD * NormalDist().inv_cdf(quantile))
    return min(MAX_SECONDS, max(MIN_SECONDS, seconds))
