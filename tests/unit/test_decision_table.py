"""Each row of docs/decisions.md: the answer, the changes and the events of a command in one state."""

import re
from typing import get_args

import pytest

from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.decisions import ConsultationEndedAnswer, Decision, Refused
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.timers import decide_due
from patient_visit_engine.wire.events import events_of
from tests.support import (
    arrivals_table,
    calling_table,
    change_table,
    decision_table,
    desk_table,
    ending_table,
    handing_over_table,
    line_table,
    pausing_table,
    record_table,
    starting_table,
    timer_table,
    transfer_table,
    undoing_table,
)
from tests.support.builders import NOON, an_event_context
from tests.support.decision_table import DecisionRow, Situation
from tests.support.pages import DOCS

TABLES = (
    starting_table,
    ending_table,
    undoing_table,
    desk_table,
    handing_over_table,
    change_table,
    arrivals_table,
    pausing_table,
    transfer_table,
    calling_table,
    line_table,
    record_table,
    timer_table,
)
STATES = {state: build for table in (decision_table, *TABLES) for state, build in getattr(table, "STATES", {}).items()}
COMMANDS = {title: command for table in TABLES for title, command in table.COMMANDS.items()}
ROWS = [row for table in TABLES for row in table.ROWS]
PAGE = DOCS / "decisions.md"
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


def answer_of(decision: Decision, situation: Situation) -> str:
    """200, or the code of the refusal. A consultation that has ended is judged by its outcome. A time limit has no answer."""
    answer = decision.answer
    if answer is None:
        return ""
    if isinstance(answer, Refused):
        return answer.refusal.code
    has_ended = situation.visit.consultation(situation.consultation.id) is None
    if isinstance(answer, ConsultationEndedAnswer) and has_ended:
        return "200" if situation.past.outcome is answer.success_outcome else "consultation_ended"
    return "200"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.command}: {row.state}")
def test_decides_as_the_table_says(row: DecisionRow) -> None:
    situation = STATES[row.state]()

    command = COMMANDS[row.command](situation)
    decision = decide_due(situation.visit, NOON) if command is None else decide(command, situation.visit, NOON)
    decision = decision or Decision(changes=(), at=NOON)

    events = [event.name for change in decision.changes for event in events_of(change, an_event_context())]
    changes = tuple(type(change).__name__ for change in decision.changes)
    assert (answer_of(decision, situation), changes, tuple(events)) == row[2:]


def test_table_has_each_command() -> None:
    commands = {type(COMMANDS[row.command](STATES[row.state]())) for row in ROWS}

    assert set(get_args(Command)) <= commands


def cells_of(row: DecisionRow) -> list[str]:
    """The row as the page has it."""
    changes = [re.sub(r"(?<!^)([A-Z])", r" \1", change).lower() for change in row.changes]
    answer = row.answer if row.answer in ("200", "") else f"`{row.answer}`"
    return [row.state, answer, ", ".join(changes), ", ".join(f"`{event}`" for event in row.events)]


def test_page_has_the_same_rows() -> None:
    _, *parts = SECTION.split(PAGE.read_text())
    tables = {
        title: [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }

    assert {title: table[2:] for title, table in tables.items()} == {
        command: [cells_of(row) for row in ROWS if row.command == command] for command in COMMANDS
    }
