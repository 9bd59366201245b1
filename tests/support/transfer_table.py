"""The rows of docs/decisions.md about transfers, with values."""

from collections.abc import Callable
from dataclasses import replace

from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.visit.commands import Command
from tests.support.builders import DR_AMRANI, DR_LINDQVIST, DR_OKAFOR, NOON, a_reservation, a_visit, minutes
from tests.support.commands import a_transfer
from tests.support.decision_table import COMPLETED, UPDATED, DecisionRow, Situation, completed, running
from tests.support.undoing_table import RELEASED, REOPENER


def _reserved_after_completion(kind: ReservationKind) -> Situation:
    reservation = a_reservation(DR_LINDQVIST, NOON + minutes(1)).model_copy(update={"kind": kind})
    return completed(visit=a_visit(reservation=reservation))


def _with_inactive_prestation(now: Situation) -> Situation:
    return replace(now, appointment=now.appointment.model_copy(update={"prestation_active": False}))


STATES: dict[str, Callable[[], Situation]] = {
    "in consultation, its prestation inactive": lambda: _with_inactive_prestation(running()),
    "completed, reserved by a transfer": lambda: _reserved_after_completion(ReservationKind.transferred),
    "completed, called for another doctor": lambda: _reserved_after_completion(ReservationKind.called),
}
TRANSFER = "Transfer, by its doctor"
SUPERVISOR = "Transfer, by a supervisor"
OTHER = "Transfer, by another doctor"
INACTIVE = "Transfer, to an inactive doctor"
COMMANDS: dict[str, Callable[[Situation], Command]] = {
    TRANSFER: lambda now: a_transfer(now.appointment, now.consultation, DR_LINDQVIST, by=DR_AMRANI),
    SUPERVISOR: lambda now: a_transfer(now.appointment, now.consultation, DR_LINDQVIST),
    OTHER: lambda now: a_transfer(now.appointment, now.consultation, DR_LINDQVIST, by=DR_OKAFOR),
    INACTIVE: lambda now: a_transfer(now.appointment, now.consultation, DR_LINDQVIST, by=DR_AMRANI, active=False),
}
CHANGES = ("EndConsultation", "TransferConsultation")
AFTER_THE_END = (
    "consultation.transferred",
    "appointment.updated",
    "appointment.updated",
    "patient.updated",
)
EVENTS = (COMPLETED, *AFTER_THE_END)
GIVEN = (CHANGES, EVENTS)
WITHDRAWN = ("consultation.reopened", UPDATED, "patient.updated")
TAKES_OFFER = (("EndConsultation", "EndReservation", "TransferConsultation"), EVENTS)
ROWS = [
    DecisionRow(TRANSFER, "in consultation", "200", *GIVEN),
    DecisionRow(TRANSFER, "in consultation, after a check-in", "200", *GIVEN),
    DecisionRow(TRANSFER, "in consultation, another doctor in line", "200", *GIVEN),
    DecisionRow(TRANSFER, "paused", "200", *GIVEN),
    DecisionRow(TRANSFER, "paused, in consultation with another doctor", "200", *GIVEN),
    DecisionRow(TRANSFER, "paused, reserved for another doctor", "200", *GIVEN),
    DecisionRow(TRANSFER, "paused, offered to its doctor", "200", *TAKES_OFFER),
    DecisionRow(TRANSFER, "paused, offered to its doctor before another one in line", "200", *TAKES_OFFER),
    *(
        DecisionRow(TRANSFER, state, "consultation_ended")
        for state in ("completed", "released", "timed out", "start taken back")
    ),
    DecisionRow(TRANSFER, "in consultation, its prestation inactive", "prestation_inactive"),
    DecisionRow(SUPERVISOR, "in consultation", "200", CHANGES, (COMPLETED, RELEASED, *AFTER_THE_END)),
    DecisionRow(SUPERVISOR, "paused", "200", CHANGES, (COMPLETED, RELEASED, *AFTER_THE_END)),
    DecisionRow(OTHER, "in consultation", "not_yours"),
    DecisionRow(OTHER, "paused", "not_yours"),
    DecisionRow(INACTIVE, "in consultation", "doctor_inactive"),
    *(
        DecisionRow(
            REOPENER,
            state,
            "200",
            ("ReopenConsultation", "EndReservation", "JoinLine"),
            (*WITHDRAWN, "patient.updated"),
        )
        for state in ("completed, reserved by a transfer", "completed, called for another doctor")
    ),
]
