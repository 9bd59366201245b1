"""The doctors, patients, prestations and bookings of the demonstration hospital.

John Doe is booked with Dr. Smith and Dr. Amrani at the same time, and for an X-ray too. The doctor who starts second is refused, while
the X-ray may run.
"""

from datetime import date, datetime, time, timedelta

from patient_visit_engine.storage.bulk_master_data import AppointmentRow, DoctorRow, PatientRow, PrestationRow
from patient_visit_engine.visit.calendar import HospitalCalendar, to_millisecond
from patient_visit_engine.visit.codes import AppointmentStatus, Role

PATIENTS = (
    ("John", "Doe", "1974-05-02"),
    ("Maria", "Santos", "1988-11-23"),
    ("Amina", "Haddad", "1962-01-30"),
    ("Peter", "Novak", "1951-07-09"),
    ("Lucia", "Bianchi", "1995-03-17"),
    ("Kwame", "Mensah", "1979-09-04"),
    ("Ingrid", "Larsen", "1968-12-12"),
    ("Tomas", "Herrera", "2001-06-25"),
    ("Mei", "Lin", "1983-02-08"),
    ("Olivier", "Durand", "1947-10-19"),
    ("Fatima", "Zahra", "1991-04-27"),
    ("Samuel", "Cohen", "1956-08-14"),
)
DOCTORS = (
    ("Dr. Smith", "Cardiology"),
    ("Dr. Amrani", "Neurology"),
    ("Dr. Rossi", "General medicine"),
    ("Dr. Lindqvist", "Dermatology"),
    ("Dr. Okafor", "Radiology"),
    ("Dr. Tanaka", "Laboratory medicine"),
)
#: Name, whether it is exclusive, and expected minutes.
PRESTATIONS = (
    ("Cardiology", True, 20),
    ("Neurology", True, 30),
    ("General consultation", True, 15),
    ("Dermatology", True, 15),
    ("X-ray", False, 10),
    ("Blood test", False, 5),
)
#: For each doctor in the order of `DOCTORS`: time of the first appointment, minutes between two, and the patients in order.
#: Patients are numbered from 1 in the order of `PATIENTS`. Each doctor performs the prestation with the same index in `PRESTATIONS`.
BOOKINGS = (
    (time(8, 30), 30, (1, 2, 3, 4, 5, 6, 7)),
    (time(8, 30), 40, (1, 8, 9, 10, 11, 12)),
    (time(8, 0), 20, (9, 10, 1, 11, 12, 2, 8, 3)),
    (time(9, 0), 25, (4, 5, 6, 7, 1, 12)),
    (time(8, 30), 20, (1, 3, 9, 6, 2, 11, 10)),
    (time(8, 0), 15, (5, 7, 8, 4, 12, 1, 6)),
)
MAX_APPOINTMENTS_PER_DAY = 100


def patients() -> list[PatientRow]:
    return [
        {"id": number, "first_name": first, "last_name": last, "birth_date": birth_date}
        for number, (first, last, birth_date) in enumerate(PATIENTS, 1)
    ]


def doctors() -> list[DoctorRow]:
    return [
        {"id": number, "name": name, "specialization": specialization}
        for number, (name, specialization) in enumerate(DOCTORS, 1)
    ]


def prestations() -> list[PrestationRow]:
    return [
        {"id": number, "name": name, "exclusive": exclusive, "expected_minutes": minutes}
        for number, (name, exclusive, minutes) in enumerate(PRESTATIONS, 1)
    ]


def appointments(day: date, calendar: HospitalCalendar) -> list[AppointmentRow]:
    """The appointments of a hospital day. Their ids contain the date, for example 2026030201, so each day has its own ids."""
    id_base = int(f"{day:%Y%m%d}") * MAX_APPOINTMENTS_PER_DAY
    bookings = [
        (datetime.combine(day, first_time) + slot * timedelta(minutes=step), doctor, patient)
        for doctor, (first_time, step, patient_numbers) in enumerate(BOOKINGS, 1)
        for slot, patient in enumerate(patient_numbers)
    ]
    return [
        {
            "id": id_base + number,
            "patient_id": patient,
            "doctor_id": doctor,
            "prestation_id": doctor,
            "scheduled_at": to_millisecond(calendar.moment(day, at.time())),
            "status": int(AppointmentStatus.confirmed),
        }
        for number, (at, doctor, patient) in enumerate(sorted(bookings), 1)
    ]


def accounts() -> list[tuple[str, str, Role, int | None]]:
    """For each account: username, name on the screen, role, and the doctor's number for a doctor."""
    doctor_accounts: list[tuple[str, str, Role, int | None]] = [
        (name.removeprefix("Dr. ").lower(), name, Role.doctor, number) for number, (name, _) in enumerate(DOCTORS, 1)
    ]
    other_roles = (role for role in Role if role is not Role.doctor)
    other_accounts = [(role.value, role.value.capitalize(), role, None) for role in other_roles]
    return [*doctor_accounts, *other_accounts]
