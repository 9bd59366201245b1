"""What the calls on consultations answer, from a request to a kept answer."""

from tests.api.conftest import Clinic, a_start


async def test_a_doctor_starts_a_consultation_and_everyone_can_look_it_up(clinic: Clinic) -> None:
    doctor, desk = await clinic.doctor(), await clinic.staff("reception")

    started = await doctor.post("/api/consultations", json=a_start())

    assert started.status_code == 201, started.text
    seen = await desk.get(started.headers["location"])
    assert seen.json() == started.json()
    assert seen.json()["status"] == "in_progress"
    assert seen.json()["started_at"] == "2026-03-02T11:00:00.000Z"
