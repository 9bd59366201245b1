"""Who works and who waits in the demonstration hospital, and what is booked on a day; it must not know how it is stored.

John Doe is booked with Dr. Smith and Dr. Amrani at the same time, and for an X-ray beside: whoever starts second is refused, while
the X-ray may run.
"""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import AppointmentStatus, Role

PATIENTS = (
    ("John", "Doe", date(1974, 5, 2)),
    ("Maria", "Santos", date(1988, 11, 23)),
    ("Amina", "Haddad", date(1962, 1, 30)),
    ("Peter", "Novak", date(1951, 7, 9)),
    ("Lucia", "Bianchi", date(1995, 3, 17)),
    ("Kwame", "Mensah", date(1979, 9, 4)),
    ("Ingrid", "Larsen", date(1968, 12, 12)),
    ("Tomas", "Herrera", date(2001, 6, 25)),
    ("Mei", "Lin", date(1983, 2, 8)),
    ("Olivier", "Durand", date(1947, 10, 19)),
    ("Fatima", "Zahra", date(1991, 4, 27)),
    ("Samuel", "Cohen", date(1956, 8, 14)),
)
DOCTORS = (
    ("Dr. Smith", "Cardiology"),
    ("Dr. Amrani", "Neurology"),
    ("Dr. Rossi", "General medicine"),
    ("Dr. Lindqvist", "Dermatology"),
    ("Dr. Okafor", "Radiology"),
    ("Dr. Tanaka", "Laboratory medicine"),
)
#: Name, whether the patient can be in no other such at the time, and minutes.
PRESTATIONS = (
    ("Cardiology", True, 20),
    ("Neurology", True, 30),
    ("General consultation", True, 15),
    ("Dermatology", True, 15),
    ("X-ray", False, 10),
    ("Blood test", False, 5),
)
#: Of each doctor, who is number 1 and so on above: the first time, minutes from one to the next, and the patients in order.
#: Every doctor performs the prestation of the same number.
BOOK = (
    (time(8, 30), 30, (1, 2, 3, 4, 5, 6, 7)),
    (time(8, 30), 40, (1, 8, 9, 10, 11, 12)),
    (time(8, 0), 20, (9, 10, 1, 11, 12, 2, 8, 3)),
    (time(9, 0), 25, (4, 5, 6, 7, 1, 12)),
    (time(8, 30), 20, (1, 3, 9, 6, 2, 11, 10)),
    (time(8, 0), 15, (5, 7, 8, 4, 12, 1, 6)),
)
MOST_A_DAY = 100


def patients() -> list[dict[str, Any]]:
    return [
        {"id": number, "first_name": first, "last_name": last, "birth_date": born}
        for number, (first, last, born) in enumerate(PATIENTS, 1)
    ]


def doctors() -> list[dict[str, Any]]:
    return [
        {"id": number, "name": name, "specialization": specialization}
        for number, (name, specialization) in enumerate(DOCTORS, 1)
    ]


def prestations() -> list[dict[str, Any]]:
    return [
        {"id": number, "name": name, "exclusive": exclusive, "expected_minutes": minutes}
        for number, (name, exclusive, minutes) in enumerate(PRESTATIONS, 1)
    ]


def appointments(day: date, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The bookings of a local day; the ids name it, as in 2026030201, so that another day's are others."""
    of_day = int(f"{day:%Y%m%d}") * MOST_A_DAY
    booked = [
        (datetime.combine(day, first) + place * timedelta(minutes=step), doctor, patient)
        for doctor, (first, step, seen) in enumerate(BOOK, 1)
        for place, patient in enumerate(seen)
    ]
    return [
        {
            "id": of_day + number,
            "patient_id": patient,
            "doctor_id": doctor,
            "prestation_id": doctor,
            "scheduled_at": to_millisecond(at.replace(tzinfo=zone)),
            "status": int(AppointmentStatus.confirmed),
        }
        for number, (at, doctor, patient) in enumerate(sorted(booked), 1)
    ]


def accounts() -> list[tuple[str, str, Role, int | None]]:
    """Name to sign in with, name on the screen, role, and the doctor whose account it is."""
    of_doctors: list[tuple[str, str, Role, int | None]] = [
        (name.removeprefix("Dr. ").lower(), name, Role.doctor, number) for number, (name, _) in enumerate(DOCTORS, 1)
    ]
    others = [(role.value, role.value.capitalize(), role, None) for role in Role if role is not Role.doctor]
    return [*of_doctors, *others]
