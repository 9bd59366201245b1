"""The timeline of a patient's day, which is kept permanently: only ids, numbers and codes."""

from typing import Any

import pytest

from patient_visit_engine.visit.appointment import AppointmentFields
from patient_visit_engine.visit.changes import (
    CloseTracking,
    NoteRefusal,
    NoteRescue,
    RestoreRecord,
    RetireRecord,
    RewriteAppointment,
    WritePriority,
)
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, RescueReason
from patient_visit_engine.visit.consultation_changes import (
    EndConsultation,
    OpenConsultation,
    PostponeConsultation,
    RemindHolder,
)
from patient_visit_engine.visit.line_changes import LeaveLine, OfferPatient
from patient_visit_engine.visit.refusals import AppointmentClosed, PatientInConsultation
from patient_visit_engine.wire.timeline import TimelineRow, timeline_row
from tests.support.builders import DR_AMRANI, DR_SMITH, NOON, a_consultation, a_place, an_appointment, minutes

APPOINTMENT = an_appointment(DR_AMRANI)
RUNNING = a_consultation(APPOINTMENT)
WITH_SMITH = a_consultation(an_appointment(DR_SMITH))


def amrani_row(event: str, consultation_id: str | None = RUNNING.id, **particulars: Any) -> TimelineRow:
    """A row about Dr. Amrani's appointment."""
    return TimelineRow(event, APPOINTMENT.id, DR_AMRANI.id, consultation_id, particulars=particulars)


ROWS = [
    (
        RetireRecord(retired_id=124, record_ids=(124, 7), both_in_consultation=True),
        TimelineRow("merged", particulars={"retired": [124, 7], "both_in_consultation": True}),
    ),
    (
        RestoreRecord(restored_id=124, record_ids=(124, 7)),
        TimelineRow("separated", particulars={"retired": [124, 7]}, other_patients=(124,)),
    ),
    (OpenConsultation(consultation=RUNNING), amrani_row("started", prestation_id=11, exclusive=True)),
    (EndConsultation(consultation=RUNNING, outcome=Outcome.timed_out), amrani_row("completed", outcome="timed_out")),
    (
        PostponeConsultation(consultation=RUNNING, minutes=10),
        amrani_row("extended", minutes=10, overdue_at="2026-03-02T11:20:00.000Z"),
    ),
    (RemindHolder(consultation=RUNNING.model_copy(update={"reminders": 2})), amrani_row("overdue", reminder=2)),
    (
        CloseTracking(appointment_id=APPOINTMENT.id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed),
        TimelineRow("left", APPOINTMENT.id, particulars={"outcome": "not_seen"}),
    ),
    (LeaveLine(place=a_place(DR_AMRANI), why="passed"), amrani_row("left_line", None, why="passed")),
    (
        OfferPatient(place=a_place(DR_AMRANI), until=NOON + minutes(1)),
        amrani_row("offered", None, offer_until="2026-03-02T11:01:00.000Z"),
    ),
    (
        NoteRefusal(appointment=APPOINTMENT, refusal=PatientInConsultation(holder=WITH_SMITH)),
        amrani_row(
            "refused",
            None,
            code="patient_in_consultation",
            active_doctor_id=456,
            holder_consultation_id=WITH_SMITH.id,
        ),
    ),
    (
        NoteRefusal(appointment=APPOINTMENT, refusal=AppointmentClosed(status=AppointmentStatus.done)),
        amrani_row("refused", None, code="appointment_closed"),
    ),
    (WritePriority(appointment=APPOINTMENT, priority=2), amrani_row("priority", None, priority=2)),
    (
        RewriteAppointment(
            appointment=APPOINTMENT,
            new_fields=AppointmentFields(doctor_id=DR_SMITH.id, scheduled_at=NOON, status=AppointmentStatus.canceled),
        ),
        amrani_row(
            "changed",
            None,
            fields={"doctor_id": 456, "scheduled_at": "2026-03-02T11:00:00.000Z", "status": "canceled"},
        ),
    ),
    (
        RewriteAppointment(
            appointment=APPOINTMENT, new_fields=AppointmentFields(doctor_id=DR_SMITH.id), decided_here=True
        ),
        amrani_row("reassigned", None, to_doctor_id=456),
    ),
    (
        NoteRescue(reason=RescueReason.workflow_task_failed),
        TimelineRow("rescued", particulars={"code": "workflow_task_failed"}),
    ),
]


@pytest.mark.parametrize(("change", "row"), ROWS, ids=[row.event for _, row in ROWS])
def test_each_change_is_one_timeline_row(change: Any, row: TimelineRow) -> None:
    assert timeline_row(change) == row
