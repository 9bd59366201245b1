"""What each command costs: SQL statements, round trips, calls to Temporal, and events and bytes in the visit's history.

The test fails when a cost grows. The table below has the numbers. They count everything that API and worker send for the command,
with BEGIN, COMMIT and the look at the session. They do not count the sweep, heartbeats, the event stream, or the write of search
attributes five seconds later.
"""

import dataclasses
from datetime import timedelta
from itertools import count

import pytest
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.storage.database import Database
from patient_visit_engine.workflows import visit_client, visit_display
from tests.support.counted_commands import COMMANDS, CountedVisit
from tests.support.counted_engine import Cost, CountedEngine, counted_engine

# fmt: off
#: The most that each command may cost. A failure prints the table with the numbers as they are.
#: The columns: statements, round trips, calls of the API, calls of the worker, events, bytes of the history.
LIMITS: dict[str, dict[str, tuple[int, ...]]] = {
    "sqlite": {
        "check-in": (12, 0, 1, 1, 8, 3040),
        "start, fresh": (12, 0, 1, 1, 9, 3550),
        "start, later": (15, 0, 1, 1, 8, 3050),
        "start, known": (12, 0, 1, 1, 9, 2810),
        "start, busy doctor": (12, 0, 1, 1, 9, 2930),
        "start, blocked": (10, 0, 1, 1, 6, 2450),
        "complete": (12, 0, 1, 1, 7, 2050),
        "extend": (11, 0, 1, 1, 6, 2270),
        "release": (17, 0, 1, 1, 7, 2040),
        "pause": (11, 0, 1, 1, 6, 2290),
        "resume": (12, 0, 1, 1, 6, 2450),
        "transfer": (22, 0, 1, 1, 8, 2560),
        "undo start": (17, 0, 1, 1, 7, 2320),
        "reopen": (17, 0, 1, 1, 7, 2920),
        "cancel": (11, 0, 1, 1, 6, 2100),
        "undo cancel": (13, 0, 1, 1, 6, 2250),
        "patient check-in": (18, 0, 1, 1, 8, 3780),
        "patient check-out": (18, 0, 1, 1, 6, 2500),
        "walk-in": (20, 0, 1, 1, 6, 2270),
        "check-out": (12, 0, 1, 1, 6, 1930),
        "status": (11, 0, 1, 1, 6, 2120),
        "feed, direct": (14, 0, 0, 0, 0, 0),
        "feed, checked in": (28, 0, 1, 1, 6, 2220),
        "call next": (31, 0, 1, 1, 9, 3000),
        "no answer": (30, 0, 1, 1, 7, 2520),
        "join line": (11, 0, 1, 1, 6, 2500),
        "leave line": (11, 0, 1, 1, 6, 2340),
    },
    "postgresql": {
        "check-in": (13, 13, 1, 1, 8, 3050),
        "start, fresh": (13, 13, 1, 1, 9, 3560),
        "start, later": (16, 16, 1, 1, 8, 3060),
        "start, known": (13, 13, 1, 1, 9, 2820),
        "start, busy doctor": (13, 13, 1, 1, 9, 2940),
        "start, blocked": (11, 11, 1, 1, 6, 2460),
        "complete": (13, 13, 1, 1, 7, 2060),
        "extend": (12, 12, 1, 1, 6, 2280),
        "release": (17, 17, 1, 1, 7, 2050),
        "pause": (12, 12, 1, 1, 6, 2300),
        "resume": (13, 13, 1, 1, 6, 2450),
        "transfer": (19, 19, 1, 1, 8, 2560),
        "undo start": (17, 17, 1, 1, 7, 2320),
        "reopen": (17, 17, 1, 1, 7, 2920),
        "cancel": (12, 12, 1, 1, 6, 2110),
        "undo cancel": (14, 14, 1, 1, 6, 2260),
        "patient check-in": (18, 18, 1, 1, 8, 3780),
        "patient check-out": (18, 18, 1, 1, 6, 2510),
        "walk-in": (21, 21, 1, 1, 6, 2270),
        "check-out": (13, 13, 1, 1, 6, 1940),
        "status": (12, 12, 1, 1, 6, 2130),
        "feed, direct": (14, 14, 0, 0, 0, 0),
        "feed, checked in": (29, 29, 1, 1, 6, 2230),
        "call next": (30, 40, 1, 1, 9, 3000),
        "no answer": (30, 29, 1, 1, 7, 2520),
        "join line": (12, 12, 1, 1, 6, 2510),
        "leave line": (12, 12, 1, 1, 6, 2350),
    },
}
# fmt: on
#: The bytes of a history vary, because the texts of its times have various lengths. A limit is this much above a cost.
BYTES_ROOM = 20
#: Bytes may be this much below their limit.
BYTES_SLACK = 80
#: A cost that is more than this below its limit fails too, because the limit would not notice when it grows again.
SLACK = 1
#: A failure prints this much of each statement.
LONGEST_TEXT = 120
COLUMNS = [field.name for field in dataclasses.fields(Cost)]
NO_LIMITS = (0,) * len(COLUMNS)
_patients = count(50_001)


@pytest.fixture
def one_timer_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No write of search attributes, and no second task of Temporal, falls into a command: a slow machine would change the counts."""
    monkeypatch.setattr(visit_display, "WRITE_AFTER", timedelta(hours=1))
    monkeypatch.setattr(visit_client, "TASK_TIMEOUT", timedelta(minutes=1))


async def measure(engine: CountedEngine) -> tuple[dict[str, Cost], dict[str, list[str]]]:
    """The cost and the statements of each command. Each command has another patient."""
    costs, statements = {}, {}
    for name, (preparations, command) in COMMANDS.items():
        visit = CountedVisit(engine, next(_patients))
        await engine.admit(visit.patient)
        for preparation in preparations:
            await preparation(visit)
        # A cached session is used for five seconds. On a slow machine the command would read it again.
        await engine.verify_sessions()
        before = await engine.count(visit.patient)
        await command(visit)
        costs[name] = await engine.count(visit.patient) - before
        statements[name] = engine.statements()[before.statements :]
        await visit.free_doctor()
    return costs, statements


def as_table(costs: dict[str, Cost]) -> str:
    """The costs as rows of `LIMITS`, with room for the times in a history."""
    rooms = {
        name: dataclasses.replace(cost, history_bytes=_with_room(cost.history_bytes)) for name, cost in costs.items()
    }
    return "\n".join(f'        "{name}": ({", ".join(map(str, cost.numbers))}),' for name, cost in rooms.items())


def _with_room(history_bytes: int) -> int:
    return (history_bytes + BYTES_ROOM + 9) // 10 * 10


def differences(costs: dict[str, Cost], limits: dict[str, tuple[int, ...]]) -> list[str]:
    """Each cost that is above its limit, or so far below that the limit would not notice when it grows."""
    return [
        f"{name}: {column} {number}, limit {limit}"
        for name, cost in costs.items()
        for column, number, limit in zip(COLUMNS, cost.numbers, limits.get(name, NO_LIMITS), strict=True)
        if not limit - (BYTES_SLACK if column == "history_bytes" else SLACK) <= number <= limit
    ]


def _beginnings(statements: list[str]) -> list[str]:
    return [statement[:LONGEST_TEXT] for statement in statements]


async def test_no_command_costs_more(
    temporal_server: WorkflowEnvironment, database: Database, one_timer_later: None
) -> None:
    async with counted_engine(temporal_server, database) as engine:
        # The first command of a kind prepares its statements, and registers its caller.
        await measure(engine)

        costs, statements = await measure(engine)

    kind = database.url.get_backend_name()
    wrong = differences(costs, LIMITS[kind])
    names = [name for name in costs if any(text.startswith(f"{name}: ") for text in wrong)]
    sent = "\n".join(f"{name}:\n    " + "\n    ".join(_beginnings(statements[name])) for name in names)
    assert not wrong, "\n".join([*wrong, sent, f"The table as it is ({kind}):", as_table(costs)])
