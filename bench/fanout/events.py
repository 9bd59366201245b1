"""The events of the stream's benchmark. Every server sends the same bytes."""

import json
from datetime import UTC, datetime

from patient_visit_engine.wire.event_context import CONSULTATIONS, Event

NAME = "consultation.completed"
EVENT_TIME = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EVENT_TIME_TEXT = "2026-03-02T12:00:00.000Z"


def build_event(number: int) -> Event:
    """An event of a realistic size. Its data begins with `number`, which is unique."""
    data = {
        "number": number,
        "patient_id": 1,
        "patient_name": "Nora Field",
        "message": "Patient Nora Field consultation completed",
        "timestamp": EVENT_TIME_TEXT,
        "doctor_id": 1,
        "doctor_name": "Dr. Weber",
        "appointment_id": 1,
        "consultation_id": "9af8c51d-b677-e157-db83-065923f803be",
        "prestation_id": 1,
        "prestation": "Echocardiography",
        "exclusive": True,
        "started_at": EVENT_TIME_TEXT,
        "overdue_at": EVENT_TIME_TEXT,
        "outcome": "done",
        "completed_at": EVENT_TIME_TEXT,
    }
    return Event(NAME, CONSULTATIONS, f"bench/{number}", data, 1)


def event_text(event: Event) -> str:
    """The text after `data: ` on the stream."""
    return json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
