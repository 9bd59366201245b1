"""A day that was never recorded, for a replay without any data set: always the same one; it must not know the published sets."""

from datetime import date, datetime, time, timedelta

from patient_visit_engine.cli.datasets.rows import RecordedAppointment, RecordedSet, number_of

NAME = "made up"
DAY = date(2025, 10, 14)
SPACE = 5_500_000_000_000_000
PATIENTS, DOCTORS = 160, 12
PLACE_MINUTES = 20
NOTES = ("a made-up day: 160 patients, 12 doctors, every fourth patient with two doctors at the same time",)
KINDS = (("Consultation", True, 20), ("X-ray", False, 10))


def read() -> RecordedSet:
    """The day: each patient once, every fourth also with a second doctor at that time, every fifth also for an X-ray."""
    rows: list[RecordedAppointment] = []
    for patient in range(PATIENTS):
        at = datetime.combine(DAY, time(8)) + patient // DOCTORS * timedelta(minutes=PLACE_MINUTES)
        rows.append(_row(len(rows), patient, patient % DOCTORS, 0, at))
        if patient % 4 == 0:
            rows.append(_row(len(rows), patient, (patient + 1) % DOCTORS, 0, at))
        if patient % 5 == 0:
            rows.append(_row(len(rows), patient, (patient + 2) % DOCTORS, 1, at))
    return RecordedSet(NAME, tuple(rows), (), NOTES)


def _row(number: int, patient: int, doctor: int, kind: int, at: datetime) -> RecordedAppointment:
    name, exclusive, minutes = KINDS[kind]
    seconds = 240 + number_of(NAME, str(number)) % 900
    return RecordedAppointment(
        line=number + 1,
        appointment_id=SPACE + number + 1,
        patient_id=SPACE + patient + 1,
        doctor_id=SPACE + doctor + 1,
        doctor=f"Dr. {chr(ord('A') + doctor)}",
        prestation_id=SPACE + kind + 1,
        prestation=name,
        exclusive=exclusive,
        expected_minutes=minutes,
        scheduled_at=at,
        started=at,
        ended=at + timedelta(seconds=seconds),
    )
