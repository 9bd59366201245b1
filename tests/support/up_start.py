"""A start on a running `up` without demonstration: its patient and its doctor's request."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import jwt
from sqlalchemy import create_engine, insert

from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from tests.support.engine import NO_CERTIFICATES
from tests.support.up import UpEnvironment


def admit(up_environment: UpEnvironment, patient_id: int) -> dict[str, int]:
    """Add a patient with an appointment of today, each with this number. Returns the body of the start."""
    engine = create_engine(f"sqlite:///{up_environment.data / 'visits.db'}")
    with engine.begin() as connection:
        connection.execute(insert(doctors).values(id=patient_id, name=f"Dr. {patient_id}"))
        connection.execute(insert(prestations).values(id=patient_id, name="X", exclusive=True, expected_minutes=20))
        connection.execute(insert(patients).values(id=patient_id, first_name="John", last_name="Doe"))
        connection.execute(
            insert(appointments).values(
                id=patient_id,
                patient_id=patient_id,
                doctor_id=patient_id,
                prestation_id=patient_id,
                scheduled_at=datetime.now(UTC),
                status=1,
            )
        )
    engine.dispose()
    return {"appointment_id": patient_id, "patient_id": patient_id, "doctor_id": patient_id}


def press_start(up_environment: UpEnvironment, start: dict[str, int], until: float) -> httpx.Response:
    """Send the start of its doctor, with a token that is signed with the secret of `up`.

    While the answer is 503 `undecided`, it is sent again with the same key, as the answer says, until the monotonic time `until`.
    """
    claims = {
        "sub": "doctor",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        "role": "doctor",
        "name": "Doctor",
        "doctor_id": start["doctor_id"],
    }
    token = jwt.encode(claims, (up_environment.data / "jwt.secret").read_text().strip(), "HS256")
    while True:
        answer = httpx.post(
            f"http://127.0.0.1:{up_environment.ports[0]}/api/consultations",
            json=start,
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": f"start-of-{start['patient_id']}"},
            timeout=60,
            verify=NO_CERTIFICATES,
        )
        if answer.status_code != 503 or time.monotonic() > until:
            return answer
