"""The patient, doctors and appointments of the tests that run visits on a Temporal server."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert

from patient_visit_engine.storage.tables import appointments, callers, doctors, patients, prestations
from patient_visit_engine.visit.codes import AppointmentStatus

PATIENT_NAME = ("Zebulon", "Quarterpole")
BIRTH_DATE, RECORD_NUMBER = "1911-04-17", "RN-88-4471"
DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI = 1, 2, 3, 4
#: Forty doctors with exclusive prestations.
CARDIOLOGISTS = range(1, 41)
#: A doctor with a prestation that is not exclusive, and one with an exclusive prestation of 24 hours.
DR_IMAGING, DR_SURGERY = 41, 42
CARDIOLOGY, IMAGING, SURGERY = 1, 2, 3
DOCTOR_NAMES = {1: "Dr. Amrani", 2: "Dr. Bennis", 3: "Dr. Chraibi", 4: "Dr. Daoudi"}
CARDIOLOGY_MINUTES = 20
A_DAY = timedelta(days=1)
#: The row of `callers` that sends all requests.
CALLER = 2


def appointment_id(patient: int, doctor: int) -> int:
    """The id of the only appointment of this patient with this doctor."""
    return patient * 100 + doctor


def insert_patient(connection: Connection, patient: int) -> None:
    """Insert the patient, and all doctors with one confirmed appointment each, into an empty database."""
    first_name, last_name = PATIENT_NAME
    prestation_of = {DR_IMAGING: IMAGING, DR_SURGERY: SURGERY}
    doctor_ids = (*CARDIOLOGISTS, DR_IMAGING, DR_SURGERY)
    connection.execute(
        insert(patients).values(
            id=patient,
            first_name=first_name,
            last_name=last_name,
            birth_date=BIRTH_DATE,
            record_number=RECORD_NUMBER,
        )
    )
    connection.execute(
        insert(doctors),
        [{"id": doctor, "name": DOCTOR_NAMES.get(doctor, f"Dr. Number {doctor}")} for doctor in doctor_ids],
    )
    prestation_rows = [
        {"id": CARDIOLOGY, "name": "Cardiology", "exclusive": True, "expected_minutes": CARDIOLOGY_MINUTES},
        {"id": IMAGING, "name": "Radiography", "exclusive": False, "expected_minutes": 15},
        {"id": SURGERY, "name": "Open surgery", "exclusive": True, "expected_minutes": 24 * 60},
    ]
    connection.execute(insert(prestations), prestation_rows)
    appointment_rows = [
        {
            "id": appointment_id(patient, doctor),
            "patient_id": patient,
            "doctor_id": doctor,
            "prestation_id": prestation_of.get(doctor, CARDIOLOGY),
            "scheduled_at": datetime.now(UTC),
            "status": AppointmentStatus.confirmed.value,
        }
        for doctor in doctor_ids
    ]
    connection.execute(insert(appointments), appointment_rows)
    connection.execute(insert(callers).values(id=CALLER, subject="7", created_by="7"))
