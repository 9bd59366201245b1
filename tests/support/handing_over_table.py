"""The rows of docs/decisions.md about priorities and appointments that get another doctor, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.commands import Command
from tests.support.builders import DR_AMRANI, DR_LINDQVIST
from tests.support.commands import a_priority, a_reassignment
from tests.support.decision_table import OFFERED, UPDATED, DecisionRow, Situation

PRIORITY = "Set priority 1"
REASSIGN = "Reassign"
INACTIVE = "Reassign, to an inactive doctor"
SAME = "Reassign, to its own doctor"
PRIORITY_WRITTEN = (("WritePriority",), (UPDATED,))
GIVEN = (("RewriteAppointment",), (UPDATED, UPDATED))

COMMANDS: dict[str, Callable[[Situation], Command]] = {
    PRIORITY: lambda now: a_priority(now.appointment, 1),
    REASSIGN: lambda now: a_reassignment(now.appointment, DR_LINDQVIST),
    INACTIVE: lambda now: a_reassignment(now.appointment, DR_LINDQVIST, active=False),
    SAME: lambda now: a_reassignment(now.appointment, DR_AMRANI),
}
ROWS = [
    DecisionRow(PRIORITY, "not arrived", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "not arrived, with priority 1", "200"),
    DecisionRow(PRIORITY, "checked in", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "in consultation", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "paused", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "completed", "appointment_closed"),
    DecisionRow(PRIORITY, "released", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "checked out", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "canceled", "appointment_closed"),
    DecisionRow(REASSIGN, "not arrived", "200", *GIVEN),
    DecisionRow(REASSIGN, "checked in", "200", *GIVEN),
    DecisionRow(
        REASSIGN,
        "checked in, its doctor in line",
        "200",
        ("RewriteAppointment", "LeaveLine"),
        (UPDATED, UPDATED, "patient.updated", "waiting.ended"),
    ),
    DecisionRow(
        REASSIGN,
        "checked in, reserved for its doctor, another doctor in line",
        "200",
        ("RewriteAppointment", "EndReservation", "LeaveLine", "OfferPatient"),
        (UPDATED, UPDATED, "patient.updated", "waiting.ended", *OFFERED),
    ),
    DecisionRow(REASSIGN, "in consultation", "tracking_open"),
    DecisionRow(REASSIGN, "paused", "tracking_open"),
    DecisionRow(REASSIGN, "completed", "appointment_closed"),
    DecisionRow(REASSIGN, "released", "200", *GIVEN),
    DecisionRow(REASSIGN, "checked out", "200", *GIVEN),
    DecisionRow(REASSIGN, "canceled", "appointment_closed"),
    DecisionRow(INACTIVE, "checked in", "doctor_inactive"),
    DecisionRow(INACTIVE, "in consultation", "tracking_open"),
    DecisionRow(SAME, "checked in, its doctor in line", "200"),
    DecisionRow(SAME, "in consultation", "200"),
    DecisionRow(SAME, "completed", "200"),
]
