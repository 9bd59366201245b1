"""One patient's typical day, as requests: what every cost is counted for; it must not measure anything."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Ask = Callable[[int | None, str, str, dict[str, Any] | None], Awaitable[dict[str, Any]]]

#: Two exclusive appointments, with one refusal and a place in line between them, and an X-ray: what the rule is for.
DECISIONS = 11
APPOINTMENTS = 3


@dataclass(frozen=True)
class Day:
    """A patient with an appointment at each of three doctors; the third is the X-ray's."""

    patient: int
    appointments: tuple[int, int, int]
    doctors: tuple[int, int, int]


async def live(day: Day, ask: Ask) -> None:
    """Check in, start, refuse and wait, X-ray beside, complete, start for who waited, complete, leave. `ask` is given who asks."""
    heart, skin, picture = day.appointments
    cardiologist, dermatologist, radiologist = day.doctors
    for appointment in day.appointments:
        await ask(None, "POST", f"/api/appointments/{appointment}/check-in", None)
    first = await _start(day, ask, heart, cardiologist)
    await _start(day, ask, skin, dermatologist, wait=True)
    beside = await _start(day, ask, picture, radiologist)
    await ask(radiologist, "POST", f"/api/consultations/{beside['id']}/complete", None)
    await ask(cardiologist, "POST", f"/api/consultations/{first['id']}/extend", {"minutes": 10})
    await ask(cardiologist, "POST", f"/api/consultations/{first['id']}/complete", None)
    second = await _start(day, ask, skin, dermatologist)
    await ask(dermatologist, "POST", f"/api/consultations/{second['id']}/complete", None)


async def _start(day: Day, ask: Ask, appointment: int, doctor: int, **more: bool) -> dict[str, Any]:
    body = {"appointment_id": appointment, "patient_id": day.patient, "doctor_id": doctor, **more}
    return await ask(doctor, "POST", "/api/consultations", body)
