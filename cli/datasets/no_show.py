"""Reader for "Medical Appointment No Shows" (Vitoria, 2016).

The set has a day, but no time of day, no doctor, no prestation, no start and no end. The reader derives the missing values, always
in the same way:

- Doctor: each neighbourhood is a clinic. The appointments of one clinic and day are given to doctors in the order of booking. Each
  clinic gets the smallest number of doctors, with at most 24 appointments for each. Doctor k of a clinic is the same person on every day.
- Time: a doctor's appointments are 20 minutes apart from 08:00 on, in the order of booking. So two appointments that a patient booked
  together are often at the same time with two doctors. The set neither confirms nor excludes this.
- Prestation: one, "Primary care consultation", exclusive, 20 minutes.
- Names: made up. Patient ids are kept. Five of them are written like `9377952927E-5` and are refused, because they are not numbers.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from patient_visit_engine.cli.datasets.csv_table import (
    InvalidRowError,
    RowCollector,
    cell,
    datetime_cell,
    integer_cell,
    read_table,
)
from patient_visit_engine.cli.datasets.made_up import stable_number
from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet

NAME = "no-show"
COLUMN_SETS = (frozenset({"PatientId", "AppointmentID", "ScheduledDay", "AppointmentDay", "Neighbourhood", "No-show"}),)
#: Patients and appointments keep their own numbers, which are below this. Doctors and the prestation are numbered from here.
FIRST_ID = 1_000_000_000_000_000
SLOTS_PER_DAY = 24
MINUTES = 20
OPENING_TIME = time(8)
PRESTATION = "Primary care consultation"
NOTES = (
    "no-show has no time of day: places 20 minutes apart from 08:00, in the order of booking",
    "no-show has no doctor: each neighbourhood is a clinic with as many doctors as its day needs, 24 places each",
    "no-show has no kind of service: all are one exclusive consultation of 20 minutes",
    "no-show has no names: names are made up from the ids",
)


@dataclass(frozen=True, slots=True)
class _Booking:
    line: int
    patient_id: int
    appointment_id: int
    booked_at: datetime
    attended: bool


def read(path: Path) -> RecordedSet:
    """The whole set. Raises `NotADataSetError` when the file is cut off."""
    _, rows = read_table(path)
    collector = RowCollector(path.name)
    clinics: dict[tuple[date, str], list[_Booking]] = defaultdict(list)
    for line, row in rows:
        with collector.refuse_invalid(line):
            booking = _Booking(
                line,
                integer_cell(row, "PatientId", FIRST_ID - 1),
                integer_cell(row, "AppointmentID", FIRST_ID - 1),
                datetime_cell(row, "ScheduledDay"),
                _attended(row),
            )
            day, clinic = datetime_cell(row, "AppointmentDay").date(), cell(row, "Neighbourhood")
            if not clinic:
                raise InvalidRowError("Neighbourhood is empty")
            collector.check_unique(booking.appointment_id, line, f"AppointmentID {booking.appointment_id}")
            clinics[day, clinic].append(booking)
    appointments = [
        appointment
        for (day, clinic), bookings in clinics.items()
        for appointment in _assign_doctors_and_times(day, clinic, bookings)
    ]
    appointments.sort(key=lambda appointment: (appointment.scheduled_at, appointment.appointment_id))
    return RecordedSet(NAME, tuple(appointments), tuple(collector.refused), NOTES)


def _attended(row: dict[str, str]) -> bool:
    no_show = cell(row, "No-show")
    if no_show not in ("Yes", "No"):
        raise InvalidRowError("No-show is neither Yes nor No")
    return no_show == "No"


def _assign_doctors_and_times(day: date, clinic: str, bookings: list[_Booking]) -> list[RecordedAppointment]:
    doctor_count = -(-len(bookings) // SLOTS_PER_DAY)
    opening = datetime.combine(day, OPENING_TIME)
    appointments = []
    for slot, booking in enumerate(sorted(bookings, key=lambda booking: (booking.booked_at, booking.appointment_id))):
        doctor = slot % doctor_count + 1
        appointments.append(
            RecordedAppointment(
                line=booking.line,
                appointment_id=booking.appointment_id,
                patient_id=booking.patient_id,
                doctor_id=FIRST_ID + stable_number(NAME, clinic, str(doctor)),
                doctor=f"Dr. {doctor} of {clinic.title()}"[:200],
                prestation_id=FIRST_ID + 1,
                prestation=PRESTATION,
                exclusive=True,
                expected_minutes=MINUTES,
                scheduled_at=opening + slot // doctor_count * timedelta(minutes=MINUTES),
                attended=booking.attended,
                specialization="Primary care",
            )
        )
    return appointments
