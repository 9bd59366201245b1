"""The story of a patient's day, as it is kept for good: in ids, numbers and codes."""

from typing import Any

import pytest

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import (
    CloseTracking,
    EndConsultation,
    LeaveLine,
    NoteRefusal,
    OfferPatient,
    OpenConsultation,
    PostponeConsultation,
    RemindHolder,
)
from patient_visit_engine.visit.refusals import AppointmentClosed, PatientInConsultation
from patient_visit_engine.wire.timeline import TimelineRow, timeline_row
from tests.support.builders import DR_AMRANI, DR_SMITH, NOON, a_consultation, a_place, an_appointment, minutes

MINE = an_appointment(DR_AMRANI)
RUNNING = a_consultation(MINE)
WITH_SMITH = a_consultation(an_appointment(DR_SMITH))


def of_mine(event: str, consultation_id: str | None = RUNNING.id, **particulars: Any) -> TimelineRow:
    """One line about Dr. Amrani's appointment."""
    return TimelineRow(event, MINE.id, DR_AMRANI.id, consultation_id, particulars)


STORY = [
    (OpenConsultation(consultation=RUNNING), of_mine("started", prestation_id=11, exclusive=True)),
    (EndConsultation(consultation=RUNNING, outcome=Outcome.timed_out), of_mine("completed", outcome="timed_out")),
    (
        PostponeConsultation(consultation=RUNNING, minutes=10),
        of_mine("extended", minutes=10, overdue_at="2026-03-02T11:20:00.000Z"),
    ),
    (RemindHolder(consultation=RUNNING.model_copy(update={"reminders": 2})), of_mine("overdue", reminder=2)),
    (
        CloseTracking(appointment_id=MINE.id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed),
        TimelineRow("left", MINE.id, particulars={"outcome": "not_seen"}),
    ),
    (LeaveLine(place=a_place(DR_AMRANI), why="passed"), of_mine("left_line", None, why="passed")),
    (
        OfferPatient(place=a_place(DR_AMRANI, offered_until=NOON + minutes(1))),
        of_mine("offered", None, offer_until="2026-03-02T11:01:00.000Z"),
    ),
    (
        NoteRefusal(appointment=MINE, refusal=PatientInConsultation(holder=WITH_SMITH)),
        of_mine(
            "refused",
            None,
            code="patient_in_consultation",
            active_doctor_id=456,
            holder_consultation_id=WITH_SMITH.id,
        ),
    ),
    (
        NoteRefusal(appointment=MINE, refusal=AppointmentClosed(status=AppointmentStatus.done)),
        of_mine("refused", None, code="appointment_closed"),
    ),
]


@pytest.mark.parametrize(("change", "line"), STORY, ids=[line.event for _, line in STORY])
def test_a_change_is_one_line_of_the_story(change: Any, line: TimelineRow) -> None:
    assert timeline_row(change) == line
