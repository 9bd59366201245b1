"""Visits that started with released code can continue with the current code."""

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
from tests.support.visit_rows import DOCTOR_NAMES, PATIENT_NAME
from tests.workflow.record_histories import BEHAVIOURS, FOLDER

RECORDED_FILES = sorted(FOLDER.glob("*.json"))


def _load_history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"visit/{path.stem}", path.read_text())


def _replayer(*, sandboxed: bool = False) -> Replayer:
    return Replayer(
        workflows=[PatientVisit],
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner() if sandboxed else UnsandboxedWorkflowRunner(),
    )


@pytest.mark.parametrize("sandboxed", [False, True], ids=["as the worker runs it", "sandboxed"])
@pytest.mark.parametrize("path", RECORDED_FILES, ids=lambda path: path.stem)
async def test_recorded_visit_can_be_replayed(path: Path, sandboxed: bool) -> None:
    await _replayer(sandboxed=sandboxed).replay_workflow(_load_history(path))


async def test_added_pause_breaks_recorded_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    record = PatientVisit._record

    async def record_after_pause(self: PatientVisit, *arguments: Any) -> Any:
        await asyncio.sleep(1)
        return await record(self, *arguments)

    monkeypatch.setattr(PatientVisit, "_record", record_after_pause)

    with pytest.raises(workflow.NondeterminismError, match="TMPRL1100"):
        await _replayer().replay_workflow(_load_history(FOLDER / "start_refuse_complete.1.json"))


def test_recorded_histories_are_all_without_names() -> None:
    behaviours = {path.name.split(".")[0] for path in RECORDED_FILES}
    content = "".join(json.dumps(json.loads(path.read_text())) for path in RECORDED_FILES)

    assert behaviours == {behaviour.__name__ for behaviour in BEHAVIOURS}
    assert [name for name in (*PATIENT_NAME, *DOCTOR_NAMES.values()) if name in content] == []
