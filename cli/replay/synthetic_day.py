"""A made-up day for a replay without a data set. It is always the same."""

from datetime import date, datetime, time, timedelta

from patient_visit_engine.cli.datasets.made_up import stable_number
from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet

NAME = "made up"
DAY = date(2025, 10, 14)
FIRST_ID = 5_500_000_000_000_000
PATIENTS, DOCTORS = 160, 12
MINUTES_PER_SLOT = 20
NOTES = ("a made-up day: 160 patients, 12 doctors, every fourth patient with two doctors at the same time",)
#: Name, whether it is exclusive, and expected minutes.
PRESTATIONS = (("Consultation", True, 20), ("X-ray", False, 10))


def synthetic_day() -> RecordedSet:
    """Each patient once, every fourth also with a second doctor at the same time, every fifth also for an X-ray."""
    rows: list[RecordedAppointment] = []
    for patient in range(PATIENTS):
        at = datetime.combine(DAY, time(8)) + patient // DOCTORS * timedelta(minutes=MINUTES_PER_SLOT)
        rows.append(_appointment(len(rows), patient, patient % DOCTORS, 0, at))
        if patient % 4 == 0:
            rows.append(_appointment(len(rows), patient, (patient + 1) % DOCTORS, 0, at))
        if patient % 5 == 0:
            rows.append(_appointment(len(rows), patient, (patient + 2) % DOCTORS, 1, at))
    return RecordedSet(NAME, tuple(rows), (), NOTES)


def _appointment(number: int, patient: int, doctor: int, prestation: int, at: datetime) -> RecordedAppointment:
    name, exclusive, minutes = PRESTATIONS[prestation]
    seconds = 240 + stable_number(NAME, str(number)) % 900
    return RecordedAppointment(
        line=number + 1,
        appointment_id=FIRST_ID + number + 1,
        patient_id=FIRST_ID + patient + 1,
        doctor_id=FIRST_ID + doctor + 1,
        doctor=f"Dr. {chr(ord('A') + doctor)}",
        prestation_id=FIRST_ID + prestation + 1,
        prestation=name,
        exclusive=exclusive,
        expected_minutes=minutes,
        scheduled_at=at,
        started_at=at,
        ended_at=at + timedelta(seconds=seconds),
    )
