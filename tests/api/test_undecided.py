"""Each answer 503 `undecided` is logged and counted once, with the reason that could be found."""

import asyncio
from datetime import date, datetime

import pytest
import structlog
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.api.commands.undecided import (
    SentCommand,
    Undecided,
    UndecidedReason,
    UndecidedReports,
    reason_of,
)
from patient_visit_engine.api.commands.visit_looks import VisitLooks
from patient_visit_engine.api.readiness import Problems
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.commands import patient_of
from patient_visit_engine.visit.record import UnrecordableError
from patient_visit_engine.workflows import update_failures
from patient_visit_engine.workflows.visit_errors import DayClosedError
from patient_visit_engine.workflows.visit_rescue import VisitLook
from tests.support.api import ApiDriver, start_body
from tests.support.builders import DAY, DR_AMRANI, NOON, an_appointment
from tests.support.commands import a_start

R = UndecidedReason


class OneLook:
    """Finds the same at each look, once `gate` is open."""

    def __init__(self, look: VisitLook) -> None:
        self.look = look
        self.gate = asyncio.Event()
        self.looks = 0

    async def look_at(self, _patient_id: int, _day: date, _now: datetime) -> VisitLook:
        self.looks += 1
        await self.gate.wait()
        return self.look


def rejection(cause: ApplicationError) -> WorkflowUpdateFailedError:
    """What the client raises when the visit rejects an update."""
    return WorkflowUpdateFailedError(cause)


def rpc_error(status: RPCStatusCode) -> RPCError:
    """An error of Temporal's frontend."""
    return RPCError("", status, b"")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (rejection(update_failures.expired()), R.too_slow),
        (rejection(update_failures.wrong_visit()), R.visit_wedged),
        (rejection(update_failures.overtaken()), R.unrecordable),
        (rejection(ApplicationError("", type=UnrecordableError.__name__)), R.unrecordable),
        (rejection(update_failures.not_noted()), R.ledger_away),
        (rejection(ApplicationError("", type="OperationalError")), R.ledger_away),
        (DayClosedError(), R.day_closed),
        (rpc_error(RPCStatusCode.UNAVAILABLE), R.temporal_away),
        (RuntimeError("Failed client connect: refused"), R.temporal_away),
        (ConnectionRefusedError(), R.ledger_away),
        (rpc_error(RPCStatusCode.DEADLINE_EXCEEDED), None),
        (TimeoutError(), None),
    ],
)
def test_some_errors_show_their_reason(error: Exception, reason: UndecidedReason | None) -> None:
    assert reason_of(error) is reason


@pytest.mark.parametrize(
    ("problems", "look", "reason"),
    [
        ({"temporal": "away", "workers": "away"}, VisitLook(is_failing=True), R.temporal_away),
        ({"workers": "none"}, VisitLook(), R.no_worker),
        ({}, VisitLook(waits_for_worker=True), R.no_worker),
        ({"workers": "none"}, VisitLook(RescueReason.foreign_workflow, is_failing=True), R.visit_wedged),
        ({"database": "full"}, VisitLook(), R.ledger_away),
        ({}, VisitLook(), R.too_slow),
    ],
)
async def test_silence_is_explained_by_a_look(problems: Problems, look: VisitLook, reason: UndecidedReason) -> None:
    rescuer = OneLook(look)
    rescuer.gate.set()
    counted = await report(Undecided(None, sent()), rescuer, problems)

    assert counted == [reason]


async def test_known_reason_is_reported_before_the_look_ends() -> None:
    rescuer = OneLook(VisitLook())

    counted = await report(Undecided(R.day_closed, sent()), rescuer, {})

    # The look goes on, because it is what rescues a visit.
    assert (counted, rescuer.looks) == ([R.day_closed], 1)


async def test_callers_of_one_visit_share_a_look() -> None:
    rescuer = OneLook(VisitLook(is_failing=True))
    rescuer.gate.set()

    counted = await report(Undecided(None, sent()), rescuer, {}, times=3)

    assert (counted, rescuer.looks) == ([R.visit_wedged] * 3, 1)


async def test_line_names_request_and_visit(api: ApiDriver) -> None:
    api.visits.away = True
    doctor = await api.doctor()

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await doctor.post("/api/consultations", json=start_body(), headers={"X-Request-ID": "browser-7"})
        await api.app.dependencies.undecided_reports.close()

    [line] = [line for line in lines if line["event"] == "undecided"]
    command = api.visits.unanswered[0]
    assert line == {
        "event": "undecided",
        "log_level": "warning",
        "reason": "temporal_away",
        "http_request_id": "browser-7",
        "command": "start_consultation",
        "request_id": command.request.id,
        "visit": f"visit/{patient_of(command)}/{DAY}",
    }
    metrics = (await doctor.get("/metrics")).text
    assert 'visit_undecided_total{reason="temporal_away"} 1.0' in metrics


async def test_call_without_database_has_its_path_and_ids(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    for name in ("read", "read_inline", "write"):
        monkeypatch.setattr(api.database, name, refuse)
    doctor = await api.doctor()

    with structlog.testing.capture_logs() as lines:
        await doctor.post("/api/consultations", json=start_body())
        await api.app.dependencies.undecided_reports.close()

    [line] = [line for line in lines if line["event"] == "undecided"]
    ids = {name: start_body()[name] for name in ("patient_id", "appointment_id")}
    assert line == {"event": "undecided", "log_level": "warning", "reason": "ledger_away"} | ids | {
        "call": "POST /api/consultations"
    }


def sent() -> SentCommand:
    """A start that got no answer."""
    return SentCommand(a_start(an_appointment(DR_AMRANI)), DAY)


async def report(undecided: Undecided, rescuer: OneLook, problems: Problems, *, times: int = 1) -> list[str]:
    """Report the answer, and return the counted reasons."""

    async def find_problems() -> Problems:
        return problems

    counted: list[str] = []
    reports = UndecidedReports(VisitLooks(rescuer, lambda: NOON), find_problems, counted.append)
    for _ in range(times):
        reports.report(undecided)
    await reports.close()
    return counted
