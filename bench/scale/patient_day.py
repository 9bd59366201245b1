"""One patient's typical day as HTTP requests. All costs are counted per patient-day."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

#: Sends a request and returns its JSON: doctor id (None: reception), method, path, body.
SendRequest = Callable[[int | None, str, str, dict[str, Any] | None], Awaitable[dict[str, Any]]]

#: Requests that need a decision: two exclusive appointments with a refusal and a place in line between them, and an X-ray.
DECISIONS = 11


@dataclass(frozen=True)
class PatientDay:
    """A patient with an appointment with each of three doctors. The third one is an X-ray."""

    patient: int
    appointments: tuple[int, int, int]
    doctors: tuple[int, int, int]


async def perform_day(day: PatientDay, send: SendRequest) -> None:
    """Send the requests of the day.

    Check in three times. The cardiologist starts, and the dermatologist is refused and joins the line. The radiologist
    starts and completes the X-ray. The cardiologist extends and completes. The dermatologist starts and completes.
    """
    cardiology, dermatology, x_ray = day.appointments
    cardiologist, dermatologist, radiologist = day.doctors
    for appointment in day.appointments:
        await send(None, "POST", f"/api/appointments/{appointment}/check-in", None)
    first = await _start(day, send, cardiology, cardiologist)
    await _start(day, send, dermatology, dermatologist, wait=True)
    parallel = await _start(day, send, x_ray, radiologist)
    await send(radiologist, "POST", f"/api/consultations/{parallel['id']}/complete", None)
    await send(cardiologist, "POST", f"/api/consultations/{first['id']}/extend", {"minutes": 10})
    await send(cardiologist, "POST", f"/api/consultations/{first['id']}/complete", None)
    second = await _start(day, send, dermatology, dermatologist)
    await send(dermatologist, "POST", f"/api/consultations/{second['id']}/complete", None)


async def _start(day: PatientDay, send: SendRequest, appointment: int, doctor: int, **options: bool) -> dict[str, Any]:
    body = {"appointment_id": appointment, "patient_id": day.patient, "doctor_id": doctor, **options}
    return await send(doctor, "POST", "/api/consultations", body)
