"""The reader of "Medical Appointment No Shows" (Vitoria, 2016), recognised by its header; it must not know other sets.

The set has a day but no time of day, no doctor, no kind of service, no start and no end. What is missing is derived, always in
the same way:

- Doctor: each neighbourhood is a clinic. The appointments of one clinic and day, in the order in which they were booked, are dealt
  out to as few doctors as can see them in 24 places each; doctor k of a clinic is the same person on every day.
- Time: a doctor's places are 20 minutes apart from 08:00 on, in the order of booking. Two appointments that a patient booked in
  one go therefore often stand at the same time with two doctors, which the set itself cannot deny.
- Service: one, "Primary care consultation", exclusive, 20 minutes.
- Names: made up. Patient ids stay as they are; five are written `9377952927E-5` and are refused, since no number can be read there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from patient_visit_engine.cli.datasets.rows import (
    RecordedAppointment,
    RecordedSet,
    Taken,
    WrongRowError,
    cell,
    moment,
    number_of,
    read_table,
    whole_number,
)

NAME = "no-show"
COLUMNS = frozenset({"PatientId", "AppointmentID", "ScheduledDay", "AppointmentDay", "Neighbourhood", "No-show"})
#: Patients and appointments keep their own numbers, which are below this; doctors and the service are numbered from here.
SPACE = 1_000_000_000_000_000
PLACES_A_DAY = 24
MINUTES = 20
OPENS = time(8)
SERVICE = "Primary care consultation"
NOTES = (
    "no-show has no time of day: places 20 minutes apart from 08:00, in the order of booking",
    "no-show has no doctor: each neighbourhood is a clinic with as many doctors as its day needs, 24 places each",
    "no-show has no kind of service: all are one exclusive consultation of 20 minutes",
    "no-show names nobody: names are made up from the ids",
)


@dataclass(frozen=True, slots=True)
class _Booked:
    line: int
    patient_id: int
    appointment_id: int
    booked: datetime
    attended: bool


def recognises(header: Sequence[str]) -> bool:
    """Whether a table with this header is this set."""
    return frozenset(header) >= COLUMNS


def read(path: Path) -> RecordedSet:
    """The whole set; raises `NotADataSetError` when the file breaks off."""
    _, rows = read_table(path)
    taken = Taken(path.name)
    clinics: dict[tuple[date, str], list[_Booked]] = defaultdict(list)
    for line, row in rows:
        with taken.row(line):
            booked = _Booked(
                line,
                whole_number(row, "PatientId", SPACE - 1),
                whole_number(row, "AppointmentID", SPACE - 1),
                moment(row, "ScheduledDay"),
                _attended(row),
            )
            day, clinic = moment(row, "AppointmentDay").date(), cell(row, "Neighbourhood")
            if not clinic:
                raise WrongRowError("Neighbourhood is empty")
            taken.once(booked.appointment_id, line, f"AppointmentID {booked.appointment_id}")
            clinics[day, clinic].append(booked)
    appointments = [
        appointment for (day, clinic), booked in clinics.items() for appointment in _deal_out(day, clinic, booked)
    ]
    appointments.sort(key=lambda appointment: (appointment.scheduled_at, appointment.appointment_id))
    return RecordedSet(NAME, tuple(appointments), tuple(taken.refused), NOTES)


def _attended(row: dict[str, str]) -> bool:
    missed = cell(row, "No-show")
    if missed not in ("Yes", "No"):
        raise WrongRowError("No-show is neither Yes nor No")
    return missed == "No"


def _deal_out(day: date, clinic: str, booked: list[_Booked]) -> list[RecordedAppointment]:
    doctors = -(-len(booked) // PLACES_A_DAY)
    opens = datetime.combine(day, OPENS)
    dealt = []
    for place, row in enumerate(sorted(booked, key=lambda row: (row.booked, row.appointment_id))):
        doctor = place % doctors + 1
        dealt.append(
            RecordedAppointment(
                line=row.line,
                appointment_id=row.appointment_id,
                patient_id=row.patient_id,
                doctor_id=SPACE + number_of(NAME, clinic, str(doctor)),
                doctor=f"Dr. {doctor} of {clinic.title()}"[:200],
                prestation_id=SPACE + 1,
                prestation=SERVICE,
                exclusive=True,
                expected_minutes=MINUTES,
                scheduled_at=opens + place // doctors * timedelta(minutes=MINUTES),
                attended=row.attended,
                specialization="Primary care",
            )
        )
    return dealt
