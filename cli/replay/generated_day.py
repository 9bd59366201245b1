"""A clinic's day that is drawn from published numbers: who comes, when, to which doctor, and what happens. Pure.

The same options always give the same day. `docs/data-sets.md` names the source of each number, or says that it was chosen here.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from patient_visit_engine.cli.replay.plan import MAX_SECONDS, MEDIAN_SECONDS, MIN_SECONDS, SPREAD

#: Half of the patients come more than 15 minutes early, 15 % more than 30 minutes early, and 5.1 % late (Faiz 2018).
#: So the two sides have different spreads, in minutes.
MEDIAN_LATENESS, EARLY_SPREAD, LATE_SPREAD = -15.0, 14.5, 9.2
#: Of all appointments: patients who do not come (Faiz 2018), and cancellations on the day (chosen).
NO_SHOWS, CANCELED = 0.095, 0.05
#: Walk-ins for each appointment that failed (Moore 2001).
WALK_INS = 0.61
#: Consultations in which the doctor sends the patient to the laboratory (Ripoll Lozano 1995).
LAB_TRIPS = 0.0525
#: Chosen, as shares of all appointments: two doctors at one time, patients who leave, given to another doctor before the arrival or
#: in the middle of the consultation, patients who do not answer a call, urgent, and mistakes of each kind.
SECOND_DOCTOR, LEFT, REASSIGNED, TRANSFERRED, NO_ANSWER, URGENT, MISTAKES = 0.1, 0.02, 0.02, 0.02, 0.05, 0.05, 0.01
#: Chosen: one walk-in in four is urgent, and every other one is a new patient.
URGENT_WALK_INS, NEW_PATIENTS = 0.25, 0.5
#: Chosen: the day from 8 to 16, in seconds, and one laboratory for six doctors.
OPENS_AT, CLOSES_AT = 8 * 3600.0, 16 * 3600.0
DOCTORS_PER_LAB = 6
MINUTE = 60.0
#: Fewer patients cannot have every story. More may not fit on the board, which shows 1,000.
MIN_PATIENTS, MAX_PATIENTS = 30, 900
#: More patients would not be seen on one day.
MAX_PATIENTS_PER_DOCTOR = 30
#: Name, whether it is exclusive, and expected minutes.
CONSULTATION, LABORATORY = ("Consultation", True, 20), ("Laboratory", False, 10)


class Story(StrEnum):
    """What happens with an appointment."""

    seen = "seen"
    no_show = "no-show"
    canceled = "canceled"
    lab_trip = "sent to the laboratory"
    second_doctor = "two doctors at one time"
    left = "left without being seen"
    reassigned = "given to another doctor"
    no_answer = "does not answer the first call"
    transferred = "given to another doctor in the middle"
    undone_check_in = "check-in undone"
    undone_arrival = "check-in of the patient undone"
    undone_check_out = "check-out undone"
    undone_departure = "check-out of the patient undone"
    undone_cancel = "cancellation undone"
    undone_start = "start undone"
    reopened = "completion undone"
    released = "forgotten, and released by a supervisor"


#: Shares of all appointments. The others are seen.
SHARES = {
    Story.no_show: NO_SHOWS,
    Story.canceled: CANCELED,
    Story.lab_trip: LAB_TRIPS,
    Story.second_doctor: SECOND_DOCTOR,
    Story.left: LEFT,
    Story.reassigned: REASSIGNED,
    Story.transferred: TRANSFERRED,
    Story.no_answer: NO_ANSWER,
    Story.undone_check_in: MISTAKES,
    Story.undone_arrival: MISTAKES,
    Story.undone_check_out: MISTAKES,
    Story.undone_departure: MISTAKES,
    Story.undone_cancel: MISTAKES,
    Story.undone_start: MISTAKES,
    Story.reopened: MISTAKES,
    Story.released: MISTAKES,
}


@dataclass(frozen=True)
class DayOptions:
    """How large the day is, and the seed of its random numbers."""

    doctors: int = 12
    desks: int = 3
    patients: int = 150
    seed: int = 1

    @property
    def first_lab(self) -> int:
        """The index of the first doctor who works in the laboratory."""
        return self.doctors - max(1, self.doctors // DOCTORS_PER_LAB)

    @property
    def max_patients(self) -> int:
        """The most patients that these doctors can see."""
        return min(MAX_PATIENTS, self.first_lab * MAX_PATIENTS_PER_DOCTOR)


@dataclass
class DrawnAppointment:
    """An appointment of the day. `doctor` is the index of the doctor who has it now. Times are seconds after midnight."""

    number: int
    patient: "DrawnPatient"
    doctor: int
    scheduled_at: float
    length: float
    lab: bool = False


@dataclass
class DrawnPatient:
    """A patient of the day. The first appointment has the story."""

    number: int
    story: Story
    arrives_at: float
    urgent: bool = False
    is_walk_in: bool = False
    #: Not known to the hospital before.
    is_new: bool = False
    appointments: list[DrawnAppointment] = field(default_factory=list)


@dataclass(frozen=True)
class DrawnDay:
    """Everyone who is expected or walks in. Doctors have an index."""

    options: DayOptions
    patients: list[DrawnPatient]


def draw_day(options: DayOptions) -> DrawnDay:
    """Draw the patients of a day. Every story occurs at least once, so that a small day shows all of them."""
    draw = Random(options.seed)  # noqa: S311
    first_lab = options.first_lab
    booked = round(options.patients / (1 + WALK_INS * (NO_SHOWS + CANCELED)))
    slots = math.ceil(booked / first_lab)
    patients = []
    for number, story in enumerate(_draw_stories(booked, draw)):
        slot, doctor = divmod(number, first_lab)
        scheduled_at = OPENS_AT + slot * (CLOSES_AT - OPENS_AT) / slots
        arrives_at = max(OPENS_AT - 10 * MINUTE, scheduled_at + draw_lateness(draw))
        patient = DrawnPatient(number, story, arrives_at, urgent=draw.random() < URGENT)
        doctors = (doctor, (doctor + 1) % first_lab) if story is Story.second_doctor else (doctor,)
        for its_doctor in doctors:
            _add_appointment(patient, its_doctor, scheduled_at, draw)
        patients.append(patient)
    for number in range(booked, options.patients):
        arrives_at = draw.uniform(OPENS_AT + 30 * MINUTE, CLOSES_AT - 30 * MINUTE)
        urgent, is_new = draw.random() < URGENT_WALK_INS, draw.random() < NEW_PATIENTS
        patient = DrawnPatient(number, Story.seen, arrives_at, urgent, is_walk_in=True, is_new=is_new)
        _add_appointment(patient, draw.randrange(first_lab), arrives_at, draw)
        patients.append(patient)
    return DrawnDay(options, patients)


def draw_lateness(draw: Random) -> float:
    """Seconds after the scheduled time. Negative for an early patient."""
    deviation = draw.gauss(0.0, 1.0)
    return (MEDIAN_LATENESS + deviation * (LATE_SPREAD if deviation > 0 else EARLY_SPREAD)) * MINUTE


def draw_length(draw: Random) -> float:
    """Seconds of a consultation."""
    return min(MAX_SECONDS, max(MIN_SECONDS, MEDIAN_SECONDS * math.exp(SPREAD * draw.gauss(0.0, 1.0))))


def _draw_stories(count: int, draw: Random) -> list[Story]:
    stories = [story for story, share in SHARES.items() for _ in range(max(1, round(share * count)))][:count]
    stories += [Story.seen] * (count - len(stories))
    draw.shuffle(stories)
    return stories


def _add_appointment(patient: DrawnPatient, doctor: int, scheduled_at: float, draw: Random) -> None:
    number = patient.number * 3 + len(patient.appointments)
    patient.appointments.append(DrawnAppointment(number, patient, doctor, scheduled_at, draw_length(draw)))
