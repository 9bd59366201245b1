"""Calls of patients over HTTP: their paths, arrivals before them, and what they change on screens."""

import json
from typing import Any

import httpx
from sqlalchemy import select

from patient_visit_engine.storage.tables import events
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver
from tests.support.builders import DR_OKAFOR, DR_SMITH, MARIA_SILVA, X_RAY, an_appointment

CALL, CALL_OF_OKAFOR = "/api/doctors/7/call-next", f"/api/doctors/{DR_OKAFOR.id}/call-next"
CALL_OF_SMITH = f"/api/doctors/{DR_SMITH.id}/call-next"
MARIA_X_RAY = an_appointment(DR_SMITH, number=5, patient=MARIA_SILVA, prestation=X_RAY)
IN_CONSULTATION = [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_in_consultation"}]


async def check_in(api: ApiDriver, *appointment_ids: int) -> None:
    """The patients of these appointments arrive, one second apart."""
    reception = await api.staff("reception")
    for appointment_id in appointment_ids:
        assert (await reception.post(f"/api/appointments/{appointment_id}/check-in")).status_code == 201
        api.clock.advance(seconds=1)


async def read_events(api: ApiDriver, name: str) -> list[dict[str, Any]]:
    """The data of the events of this name, as all staff get them."""
    of_staff = events.c.name == name, events.c.channel == "consultations"
    query = select(events.c.data).where(*of_staff).order_by(events.c.seq)
    return [json.loads(data) for data in await api.database.read(lambda connection: list(connection.scalars(query)))]


def called(answer: httpx.Response) -> int:
    """The appointment of the called patient."""
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["appointment_id"]
    return number
