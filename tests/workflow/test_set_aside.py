"""A request that the ledger rejects is set aside by the sweep, and is decided when its client sends it again later."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from patient_visit_engine.storage.requests import StoredRequest, find_request, open_request
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.consultation_commands import StartConsultation
from tests.support.refused_events import accept_events, refuse_events
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS
from tests.support.visits import VisitDriver

A_MINUTE = timedelta(minutes=1)


async def open_start(visits: VisitDriver) -> StartConsultation:
    """Store a start that was accepted with `respond-async`, and whose signal was lost."""
    start = await visits.start_command(DR_AMRANI)
    await store(visits, start)
    return start


async def store(visits: VisitDriver, command: Command) -> StoredRequest:
    """Store the request as the API does before it sends the signal."""
    return await visits.database.write(partial(open_request, command=command), command.request, datetime.now(UTC))


async def stored(visits: VisitDriver, command: Command) -> StoredRequest:
    """The request in the database."""
    request = await visits.database.read(find_request, command.request.id)
    assert request is not None
    return request


async def sweep_twice(visits: VisitDriver) -> None:
    for _ in range(2):
        await visits.sweep(datetime.now(UTC) + A_MINUTE)


async def test_rejected_request_is_set_aside(visits: VisitDriver) -> None:
    start = await open_start(visits)
    await visits.database.write(refuse_events)

    await sweep_twice(visits)
    set_aside = await stored(visits, start)
    await visits.database.write(accept_events)
    await sweep_twice(visits)

    assert set_aside.is_set_aside
    assert (await stored(visits, start)) == set_aside


async def test_always_overtaken_request_is_set_aside(visits: VisitDriver) -> None:
    start = await open_start(visits)
    visits.ledger.overtakes = True

    await sweep_twice(visits)

    assert (await stored(visits, start)).is_set_aside


async def test_ledger_outage_sets_nothing_aside(visits: VisitDriver, short_ledger_retries: None) -> None:
    start = await open_start(visits)
    visits.ledger.failures = 1_000

    await sweep_twice(visits)
    during_outage = await stored(visits, start)
    visits.ledger.failures = 0
    await sweep_twice(visits)

    assert (during_outage.decided, during_outage.is_set_aside) == (False, False)
    assert (await stored(visits, start)).status == 201


@pytest.mark.parametrize("with_signal", [True, False], ids=["signal", "lost signal"])
async def test_repeat_of_a_set_aside_request_is_decided(visits: VisitDriver, with_signal: bool) -> None:
    start = await open_start(visits)
    await visits.database.write(refuse_events)
    await sweep_twice(visits)
    await visits.database.write(accept_events)

    repeated = await store(visits, start)
    if with_signal:
        await visits.send_signal(start)
    else:
        await visits.sweep(datetime.now(UTC) + A_MINUTE)
    answer = await visits.wait_for_answer(start.request)
    refused = await visits.start(DR_BENNIS)

    assert not repeated.is_set_aside
    assert (answer.status, refused.status) == (201, 409)
    assert (await stored(visits, start)).decided
