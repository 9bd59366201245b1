"""The result of a replay: the check of the stream, the report and the errors for the operator."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.cli.replay.delivery import Faults, check_delivery
from patient_visit_engine.cli.replay.report import ReplayResult, percentile
from patient_visit_engine.cli.replay.stream_subscriber import StreamSubscriber
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.runtime.operator_error import OperatorError

SECRET = "a secret of the tests, long enough for HS256"


@pytest.mark.parametrize(
    ("positions", "faults", "unexpected"),
    [
        ([3, 5, 6], Faults(), 0),
        ([3, 6], Faults(missing=1), 0),
        ([3, 5], Faults(missing=1), 0),
        ([3, 5, 5, 6], Faults(duplicate=1), 0),
        ([5, 3, 6], Faults(reordered=1), 0),
        ([3, 4, 5, 6], Faults(), 1),
    ],
)
def test_counts_every_fault_of_stream(positions: list[int], faults: Faults, unexpected: int) -> None:
    delivery = check_delivery("supervisor", positions, [3, 5, 6])

    assert (delivery.faults, delivery.unexpected) == (faults, unexpected)
    assert delivery.passed == (not faults and not unexpected)


async def test_subscriber_ignores_control_and_resumes() -> None:
    last_event_ids: list[str | None] = []
    streams = [
        'event: ready\ndata: {"resume":"exact","cursor":"ab-2"}\nid: ab-2\n\nevent: consultation.started\nid: ab-3\ndata: {}\n\n',
        'event: ready\ndata: {"resume":"exact","cursor":"ab-3"}\n\nevent: heartbeat\nid: ab-4\ndata: {}\n\n'
        "event: consultation.completed\nid: ab-5\ndata: {}\n\n",
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        last_event_ids.append(request.headers.get("last-event-id"))
        return httpx.Response(200, text=streams[min(len(last_event_ids), 2) - 1])

    subscriber = StreamSubscriber("supervisor", "token", ("consultations",))
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        task = asyncio.create_task(subscriber.run(client))
        await asyncio.wait_for(subscriber.wait_for_position(5), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert last_event_ids[:2] == [None, "ab-3"]
    assert subscriber.start_position == 2
    assert subscriber.positions[:2] == [3, 5]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.95, 4), (0.99, 4)])
def test_percentiles_are_measured_values(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected
    assert percentile([], share) == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--within", "soon"], "--within"),
        (["--within", "0"], "--within"),
        (["--day", "yesterday"], "--day"),
        (["--day", "2020-01-01"], "no appointments on 2020-01-01"),
        (["--data", "nowhere.csv"], "No such file"),
        (["--generated", "--patients", "29"], "with 12 doctors, a generated day has 30 to 300"),
        (["--generated", "--patients", "901", "--doctors", "100"], "30 to 900"),
        (["--generated", "--doctors", "4"], "with 4 doctors, a generated day has 30 to 90"),
        (["--generated", "--day", "2020-01-01"], "cannot be combined"),
        (["--generated", "--doctors-race", "2"], "cannot be combined"),
        (["--url", "http://127.0.0.1:9", "--no-audit"], "no system answers"),
    ],
)
def test_operator_errors_are_one_line(clean_environment: pytest.MonkeyPatch, options: list[str], reason: str) -> None:
    clean_environment.setenv("VISIT_JWT_SECRET", SECRET)

    result = CliRunner().invoke(build_program(), ["replay", *options])

    assert isinstance(result.exception, OperatorError), result.output
    assert reason in str(result.exception)
    assert "\n" not in str(result.exception)


GOOD_DELIVERY = check_delivery("supervisor", [3, 5], [3, 5])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rule_holds": False}, "the audit found the rule broken"),
        ({"deliveries": [GOOD_DELIVERY, check_delivery("doctor 7", [3], [3, 5])]}, "the event stream lost"),
        ({"tally": ReplayTally(errors=Counter({"start 500 ": 1}))}, "requests failed"),
        ({"tally": ReplayTally(lost_patients=[5])}, "patients who came were neither seen"),
    ],
)
def test_replay_fails_on_broken_guarantee(changes: dict[str, Any], reason: str) -> None:
    success = ReplayResult(
        tally=ReplayTally(requested=2, granted=2), deliveries=[GOOD_DELIVERY], published=2, rule_holds=True, seconds=1.0
    )

    assert success.failures == []
    assert [failure for failure in replace(success, **changes).failures if failure.startswith(reason)]
