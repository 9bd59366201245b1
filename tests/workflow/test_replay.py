"""Visits that started with released code can continue with the current code."""

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.workflows.patient_visit import PatientVisit
from tests.support.visit_rows import DOCTOR_NAMES, PATIENT_NAME
from tests.workflow.record_histories import BEHAVIOURS, CURRENT, FOLDER

RECORDED_FILES = sorted(FOLDER.glob("*/*.json"))
#: Visits that an older program opened, and that the current code takes over by a rescue (`test_rescue.py`): those that decided
#: after the end of their day, those that saw a consultation of the day before, and, under `VISIT_OFFER_SECONDS=0`, those with a
#: notified line. The current code sets other timers for them.
RESCUED = ("midnight", "consultation_of_the_day_before", "notified_line")
NOT_REPLAYABLE = frozenset(FOLDER / "before_carry_over" / f"{name}.1.json" for name in RESCUED)
REPLAYABLE = [path for path in RECORDED_FILES if path not in NOT_REPLAYABLE]


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _load_history(path: Path) -> WorkflowHistory:
    """The history, under the id that it was recorded with."""
    text = path.read_text()
    started = WorkflowHistory.from_json("", text).events[0].workflow_execution_started_event_attributes
    opening = json.loads(started.input.payloads[0].data)
    return WorkflowHistory.from_json(visit_id(opening["patient_id"], date.fromisoformat(opening["day"])), text)


def _replayer(*, sandboxed: bool = False) -> Replayer:
    return Replayer(
        workflows=[PatientVisit],
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner() if sandboxed else UnsandboxedWorkflowRunner(),
    )


@pytest.mark.parametrize("sandboxed", [False, True], ids=["as the worker runs it", "sandboxed"])
@pytest.mark.parametrize("path", REPLAYABLE, ids=_name)
async def test_recorded_visit_can_be_replayed(path: Path, sandboxed: bool) -> None:
    await _replayer(sandboxed=sandboxed).replay_workflow(_load_history(path))


@pytest.mark.parametrize("path", RECORDED_FILES, ids=_name)
def test_recorded_history_names_no_folder_of_a_machine(path: Path) -> None:
    assert "/site-packages/" not in path.read_text()


@pytest.mark.parametrize("path", sorted(NOT_REPLAYABLE), ids=_name)
async def test_some_older_visits_need_a_rescue(path: Path) -> None:
    with pytest.raises(workflow.NondeterminismError, match="TMPRL1100"):
        await _replayer().replay_workflow(_load_history(path))


async def test_added_pause_breaks_recorded_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    record = PatientVisit._record

    async def record_after_pause(self: PatientVisit, *arguments: Any) -> Any:
        await asyncio.sleep(1)
        return await record(self, *arguments)

    monkeypatch.setattr(PatientVisit, "_record", record_after_pause)

    with pytest.raises(workflow.NondeterminismError, match="TMPRL1100"):
        await _replayer().replay_workflow(_load_history(CURRENT / "start_refuse_complete.1.json"))


def test_every_message_is_recorded() -> None:
    definition = workflow._Definition.must_from_class(PatientVisit)
    recorded: set[str] = set()
    for path in CURRENT.glob("*.json"):
        for event in json.loads(path.read_text())["events"]:
            update = event.get("workflowExecutionUpdateAcceptedEventAttributes")
            signal = event.get("workflowExecutionSignaledEventAttributes")
            if update:
                recorded.add(f"update {update['acceptedRequest']['input']['name']}")
            if signal:
                recorded.add(f"signal {signal['signalName']}")

    updates = {f"update {name}" for name in definition.updates if name}
    signals = {f"signal {name}" for name in definition.signals if name}
    assert recorded == updates | signals


def test_recorded_histories_are_all_without_names() -> None:
    behaviours = {path.name.split(".")[0] for path in CURRENT.glob("*.json")}
    content = "".join(json.dumps(json.loads(path.read_text())) for path in RECORDED_FILES)

    assert behaviours == {behaviour.__name__ for behaviour in BEHAVIOURS}
    assert [name for name in (*PATIENT_NAME, *DOCTOR_NAMES.values()) if name in content] == []
