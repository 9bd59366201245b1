"""The rows of docs/decisions.md about the whole patient and about walk-ins, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.commands import Command, PatientCommand
from patient_visit_engine.visit.day_appointments import DayAppointment
from patient_visit_engine.visit.patient_commands import (
    CheckInPatient,
    CheckOutPatient,
    UndoCheckInPatient,
    UndoCheckOutPatient,
)
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID
from tests.support.builders import DR_AMRANI, DR_SMITH, an_appointment
from tests.support.commands import a_day, a_walk_in, of_patient
from tests.support.decision_table import UPDATED, YESTERDAY_NOON, DecisionRow, Situation

ARRIVALS: dict[str, type[PatientCommand]] = {
    "Check in patient": CheckInPatient,
    "Check out patient": CheckOutPatient,
    "Undo check-in of patient": UndoCheckInPatient,
    "Undo check-out of patient": UndoCheckOutPatient,
}


def _of_patient(command: type[PatientCommand]) -> Callable[[Situation], Command]:
    def build(now: Situation) -> Command:
        past = now.past
        has_left = past.outcome is Outcome.left and past.ended_at != YESTERDAY_NOON
        item = DayAppointment(appointment=now.appointment, past=past)
        return of_patient(command, a_day(item, left_at=past.ended_at if has_left else None))

    return build


WALK_IN = "Walk-in, by reception"
WALK_IN_OF_DOCTOR = "Walk-in, by its doctor"
SENT_ON = "Walk-in, by another doctor"
NEW = an_appointment(DR_SMITH, number=LOWEST_MINTED_ID)

ARRIVAL, DEPARTURE, UNDONE_ARRIVAL, UNDONE_DEPARTURE = ARRIVALS
WALKS_IN = (("AddWalkIn",), (UPDATED,))
OPENS, CLOSES = (("OpenTracking",), (UPDATED,)), (("CloseTracking",), (UPDATED,))

COMMANDS: dict[str, Callable[[Situation], Command]] = {
    **{name: _of_patient(command) for name, command in ARRIVALS.items()},
    WALK_IN: lambda _: a_walk_in(NEW),
    WALK_IN_OF_DOCTOR: lambda _: a_walk_in(NEW, by=DR_SMITH),
    SENT_ON: lambda _: a_walk_in(NEW, by=DR_AMRANI),
}
ROWS = [
    DecisionRow(ARRIVAL, "not arrived", "200", *OPENS),
    DecisionRow(ARRIVAL, "checked in", "200"),
    DecisionRow(ARRIVAL, "in consultation", "200"),
    DecisionRow(ARRIVAL, "completed", "nothing_open"),
    DecisionRow(ARRIVAL, "released", "200", *OPENS),
    DecisionRow(ARRIVAL, "check-in taken back", "200", *OPENS),
    DecisionRow(ARRIVAL, "checked out", "200", *OPENS),
    DecisionRow(ARRIVAL, "not seen", "200", *OPENS),
    DecisionRow(ARRIVAL, "canceled", "nothing_open"),
    DecisionRow(DEPARTURE, "not arrived", "nothing_open"),
    DecisionRow(DEPARTURE, "checked in", "200", *CLOSES),
    DecisionRow(DEPARTURE, "in consultation", "appointment_in_progress"),
    DecisionRow(DEPARTURE, "completed", "nothing_open"),
    DecisionRow(DEPARTURE, "checked out", "nothing_open"),
    DecisionRow(DEPARTURE, "canceled", "nothing_open"),
    DecisionRow(UNDONE_ARRIVAL, "not arrived", "not_checked_in"),
    DecisionRow(UNDONE_ARRIVAL, "checked in", "200", *CLOSES),
    DecisionRow(UNDONE_ARRIVAL, "in consultation", "appointment_in_progress"),
    DecisionRow(UNDONE_ARRIVAL, "completed", "not_checked_in"),
    DecisionRow(UNDONE_ARRIVAL, "start taken back", "not_checked_in"),
    DecisionRow(UNDONE_ARRIVAL, "check-in taken back", "200"),
    DecisionRow(UNDONE_ARRIVAL, "checked out", "not_checked_in"),
    DecisionRow(UNDONE_DEPARTURE, "not arrived", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "checked in", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "in consultation", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "check-in taken back", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "checked out", "200", *OPENS),
    DecisionRow(UNDONE_DEPARTURE, "checked out on another day", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "checked out, then canceled", "appointment_closed"),
    DecisionRow(UNDONE_DEPARTURE, "canceled", "not_checked_out"),
    DecisionRow(WALK_IN, "not arrived", "200", *WALKS_IN),
    DecisionRow(WALK_IN, "checked in", "200", *WALKS_IN),
    DecisionRow(WALK_IN, "in consultation", "200", *WALKS_IN),
    DecisionRow(WALK_IN_OF_DOCTOR, "not arrived", "200", *WALKS_IN),
    DecisionRow(WALK_IN_OF_DOCTOR, "in consultation", "200", *WALKS_IN),
    DecisionRow(SENT_ON, "not arrived", "not_yours"),
    DecisionRow(SENT_ON, "checked in", "not_yours"),
    DecisionRow(SENT_ON, "in consultation", "200", *WALKS_IN),
    DecisionRow(SENT_ON, "paused", "200", *WALKS_IN),
    DecisionRow(SENT_ON, "completed", "not_yours"),
]
