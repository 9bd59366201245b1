"""Visits that began under the code as it was released go on under the code as it is."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from patient_visit_engine.workflows.patient_visit import PatientVisit
from tests.support.visits import DOCTOR_NAMES, PATIENT_NAME
from tests.workflow.record_histories import BEHAVIOURS, FOLDER

RECORDED = sorted(FOLDER.glob("*.json"))


def _recorded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"visit/{path.stem}", path.read_text())


def _replayer(*, sandboxed: bool = False) -> Replayer:
    return Replayer(
        workflows=[PatientVisit],
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner() if sandboxed else UnsandboxedWorkflowRunner(),
    )


@pytest.mark.parametrize("sandboxed", [False, True], ids=["as the worker runs it", "sandboxed"])
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_visit_goes_on(path: Path, sandboxed: bool) -> None:
    await _replayer(sandboxed=sandboxed).replay_workflow(_recorded(path))


async def test_a_pause_added_to_the_path_of_a_message_breaks_recorded_visits(monkeypatch: pytest.MonkeyPatch) -> None:
    record = PatientVisit._record

    async def pause_first(self: PatientVisit, *given: Any) -> Any:
        await asyncio.sleep(1)
        return await record(self, *given)

    monkeypatch.setattr(PatientVisit, "_record", pause_first)

    with pytest.raises(workflow.NondeterminismError, match="TMPRL1100"):
        await _replayer().replay_workflow(_recorded(FOLDER / "start_refuse_complete.1.json"))


def test_every_behaviour_is_recorded_and_without_names() -> None:
    recorded = {path.name.split(".")[0] for path in RECORDED}
    words = "".join(json.dumps(json.loads(path.read_text())) for path in RECORDED)

    assert recorded == {behave.__name__ for behave in BEHAVIOURS}
    assert [name for name in (*PATIENT_NAME, *DOCTOR_NAMES.values()) if name in words] == []
