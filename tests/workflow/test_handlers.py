"""The client finds a visit's handlers by the names of the commands, so each command needs its entry."""

from typing import Any

from patient_visit_engine.visit.policy import RULES
from patient_visit_engine.workflows.message_handlers import SIGNALS, UPDATES
from patient_visit_engine.workflows.patient_visit import PatientVisit

#: The command that no program sends any more: a run that a rescue opens notes it by itself. Visits keep its update for older programs.
OLDER_UPDATE = "Rescue"


def handler_names(kind: str) -> set[str]:
    """The names of the workflow's updates or signals in Temporal."""
    definitions: dict[str, Any] = getattr(PatientVisit, "__temporal_workflow_definition").__dict__[kind]
    return set(definitions)


def test_every_rule_has_an_update() -> None:
    assert {*UPDATES, OLDER_UPDATE} == {command.__name__ for command in RULES}


def test_every_update_and_signal_exists_in_visit() -> None:
    sent = {update.__name__ for update in UPDATES.values()}

    assert {*sent, OLDER_UPDATE.lower()} == handler_names("updates")
    assert set(SIGNALS.values()) <= handler_names("signals")
