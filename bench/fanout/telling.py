"""The events that the benchmark tells, the same bytes to every subject; it must not know who carries them."""

import json
from datetime import UTC, datetime

from patient_visit_engine.wire.events import CONSULTATIONS, Event

NAME = "consultation.completed"
MOMENT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AT = "2026-03-02T12:00:00.000Z"


def an_event(number: int) -> Event:
    """As large as a real one, and told from all others by its number, which comes first."""
    told = {
        "number": number,
        "patient_id": 1,
        "patient_name": "Nora Field",
        "message": "Patient Nora Field consultation completed",
        "timestamp": AT,
        "doctor_id": 1,
        "doctor_name": "Dr. Weber",
        "appointment_id": 1,
        "consultation_id": "9af8c51d-b677-e157-db83-065923f803be",
        "prestation_id": 1,
        "prestation": "Echocardiography",
        "exclusive": True,
        "started_at": AT,
        "overdue_at": AT,
        "outcome": "done",
        "completed_at": AT,
    }
    return Event(NAME, CONSULTATIONS, f"bench/{number}", told, 1)


def as_text(event: Event) -> str:
    """What follows `data: ` on the stream."""
    return json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
