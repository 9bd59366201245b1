"""The rows of docs/decisions.md about completions, releases and extensions, with values."""

from collections.abc import Callable
from dataclasses import replace

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from tests.support.builders import DR_AMRANI, DR_OKAFOR, NOON, a_visit, minutes
from tests.support.commands import a_completion, a_release, a_status, an_extension, stamped
from tests.support.decision_table import COMPLETED, OFFERED, UPDATED, DecisionRow, Situation, running


def _reopened() -> Situation:
    now = running(20)
    consultation = now.consultation.model_copy(update={"changed_at": NOON - minutes(1)})
    return replace(now, visit=a_visit(consultations=[consultation]), consultation=consultation)


STATES: dict[str, Callable[[], Situation]] = {"in consultation, reopened a minute ago": _reopened}
COMPLETE, DONE, RELEASE, EXTEND = "Complete", "Set the status done", "Release", "Extend"
OTHER_COMPLETES = "Complete, by another doctor"
LATE, LATE_DONE = "Complete, asked 2 minutes ago", "Set the status done, asked 2 minutes ago"
DONE_AT_DESK = "Set the status done, by reception"
LATE_RELEASE, LATE_EXTEND = "Release, asked 2 minutes ago", "Extend, asked 2 minutes ago"
OTHER_EXTENDS = "Extend, by another doctor"


def _late(command: Command) -> Command:
    sent: Command = stamped(command, NOON - minutes(2))
    return sent


COMMANDS: dict[str, Callable[[Situation], Command]] = {
    COMPLETE: lambda now: a_completion(now.consultation),
    LATE: lambda now: _late(a_completion(now.consultation)),
    OTHER_COMPLETES: lambda now: a_completion(now.consultation, by=DR_OKAFOR),
    DONE: lambda now: a_status(now.appointment, AppointmentStatus.done, by=DR_AMRANI.id),
    LATE_DONE: lambda now: _late(a_status(now.appointment, AppointmentStatus.done, by=DR_AMRANI.id)),
    DONE_AT_DESK: lambda now: a_status(now.appointment, AppointmentStatus.done),
    RELEASE: lambda now: a_release(now.consultation),
    LATE_RELEASE: lambda now: _late(a_release(now.consultation)),
    EXTEND: lambda now: an_extension(now.consultation, 5),
    LATE_EXTEND: lambda now: _late(an_extension(now.consultation, 5)),
    OTHER_EXTENDS: lambda now: an_extension(now.consultation, 5, by=DR_OKAFOR),
}
ENDED = (("EndConsultation",), (COMPLETED,))
PASSED_ON = (("EndConsultation", "OfferPatient"), (COMPLETED, *OFFERED))
ENDED_BY_SUPERVISOR = (("EndConsultation",), (COMPLETED, "consultation.released"))
ENDED_OTHERWISE = ("released", "timed out", "start taken back")
EXTENDED = (("PostponeConsultation",), ("patient.updated",))
REOPENED = "in consultation, reopened a minute ago"


def _end(command: str) -> list[DecisionRow]:
    """The rows that are the same for a completion and for the status `done`."""
    return [
        DecisionRow(command, "in consultation", "200", *ENDED),
        DecisionRow(command, "in consultation, after a check-in", "200", *ENDED),
        DecisionRow(command, "in consultation, another doctor in line", "200", *PASSED_ON),
        DecisionRow(command, REOPENED, "200", *ENDED),
        DecisionRow(command, "completed", "200"),
    ]


ROWS = [
    *_end(COMPLETE),
    *(DecisionRow(COMPLETE, state, "consultation_ended") for state in ENDED_OTHERWISE),
    DecisionRow(LATE, REOPENED, "consultation_changed"),
    DecisionRow(OTHER_COMPLETES, "in consultation", "not_yours"),
    DecisionRow(OTHER_COMPLETES, "paused", "not_yours"),
    *_end(DONE),
    *(
        DecisionRow(DONE, state, "not_in_consultation")
        for state in ("not arrived", "checked in", "released", "checked out", "canceled")
    ),
    DecisionRow(LATE_DONE, REOPENED, "consultation_changed"),
    DecisionRow(DONE_AT_DESK, "in consultation", "not_yours"),
    DecisionRow(DONE_AT_DESK, "paused", "not_yours"),
    DecisionRow(RELEASE, "in consultation", "200", *ENDED_BY_SUPERVISOR),
    DecisionRow(
        RELEASE,
        "in consultation, after a check-in",
        "200",
        ("EndConsultation", "WaitAgain"),
        (*ENDED_BY_SUPERVISOR[1], UPDATED),
    ),
    DecisionRow(
        RELEASE, "in consultation, another doctor in line", "200", PASSED_ON[0], (*ENDED_BY_SUPERVISOR[1], *OFFERED)
    ),
    DecisionRow(RELEASE, "released", "200"),
    *(DecisionRow(RELEASE, state, "consultation_ended") for state in ("completed", "timed out", "start taken back")),
    DecisionRow(LATE_RELEASE, REOPENED, "consultation_changed"),
    DecisionRow(EXTEND, "in consultation", "200", *EXTENDED),
    *(DecisionRow(EXTEND, state, "consultation_ended") for state in ("completed", *ENDED_OTHERWISE)),
    DecisionRow(LATE_EXTEND, REOPENED, "consultation_changed"),
    DecisionRow(OTHER_EXTENDS, "in consultation", "not_yours"),
]
