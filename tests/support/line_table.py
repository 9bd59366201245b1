"""The rows of docs/decisions.md about places in the waiting line, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.commands import Command
from tests.support.builders import DR_OKAFOR
from tests.support.commands import a_leave, a_wait
from tests.support.decision_table import OFFERED, DecisionRow, Situation, checked_in

JOIN, LEAVE = "Join the waiting line", "Leave the waiting line"


def _inactive() -> Situation:
    now = checked_in(in_consultation_with=DR_OKAFOR)
    appointment = now.appointment.model_copy(update={"prestation_active": False})
    return Situation(now.visit, appointment, now.past, now.consultation)


STATES: dict[str, Callable[[], Situation]] = {
    "checked in, its prestation inactive, in consultation with another doctor": _inactive,
}
COMMANDS: dict[str, Callable[[Situation], Command]] = {
    JOIN: lambda now: a_wait(now.appointment),
    LEAVE: lambda now: a_leave(now.appointment),
}
JOINED = (("JoinLine",), ("patient.updated",))
PASSED_ON = (("EndReservation", "LeaveLine", "OfferPatient"), ("patient.updated", *OFFERED))
ROWS = [
    DecisionRow(JOIN, "not arrived", "patient_free"),
    DecisionRow(JOIN, "checked in", "patient_free"),
    DecisionRow(JOIN, "checked in, in consultation with another doctor", "200", *JOINED),
    DecisionRow(JOIN, "checked in, its doctor in line", "200"),
    DecisionRow(JOIN, "checked in, reserved for another doctor", "200", *JOINED),
    DecisionRow(JOIN, "checked in, called", "patient_free"),
    DecisionRow(JOIN, "checked in, called, its doctor first in line", "200"),
    DecisionRow(JOIN, "checked in, in another consultation with its doctor", "patient_in_consultation"),
    DecisionRow(JOIN, "checked in, not exclusive, in consultation with another doctor", "patient_free"),
    DecisionRow(
        JOIN,
        "checked in, its prestation inactive, in consultation with another doctor",
        "prestation_inactive",
    ),
    DecisionRow(JOIN, "in consultation", "appointment_in_progress"),
    DecisionRow(JOIN, "paused", "appointment_in_progress"),
    DecisionRow(JOIN, "completed", "appointment_closed"),
    DecisionRow(JOIN, "canceled", "appointment_closed"),
    DecisionRow(LEAVE, "checked in", "200"),
    DecisionRow(LEAVE, "checked in, its doctor in line", "200", ("LeaveLine",), ("patient.updated",)),
    DecisionRow(LEAVE, "checked in, reserved for its doctor, another doctor in line", "200", *PASSED_ON),
    DecisionRow(LEAVE, "in consultation, another doctor in line", "200"),
    DecisionRow(LEAVE, "completed", "200"),
]
