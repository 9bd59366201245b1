"""A worker whose code does not fit the histories of running visits, as after a bad upgrade."""

from typing import Any

import pytest

from patient_visit_engine.workflows.patient_visit import PatientVisit
from tests.support.visits import VisitDriver


async def change_worker_code(visits: VisitDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Continue with a worker that makes one more ledger call for each decision. Its code does not fit existing histories."""
    original = PatientVisit._record

    async def record_after_loading(visit: PatientVisit, *arguments: Any) -> Any:
        await visit._load_facts()
        return await original(visit, *arguments)

    await visits.stop_worker()
    monkeypatch.setattr(PatientVisit, "_record", record_after_loading)
    await visits.start_worker(cached=0)
