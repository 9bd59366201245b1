"""Random days of a few persons never break the rule: one person, one exclusive consultation."""

import asyncio
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from patient_visit_engine.storage.database import Database
from tests.support.person_machine import PersonMachine
from tests.support.person_morning import open_morning


async def run_machine(database: Database, **more: Any) -> None:
    hospital = await open_morning(database)
    # Hypothesis calls it to get a new machine for each example.
    new_machine: Any = partial(PersonMachine, hospital)
    chosen = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), **more)
    await asyncio.to_thread(run_state_machine_as_test, new_machine, settings=chosen)


# When it fails, Hypothesis searches up to five minutes for a short example.
@pytest.mark.timeout(600)
async def test_random_days_keep_one_exclusive_consultation(on_sqlite: Database) -> None:
    await run_machine(on_sqlite, max_examples=10, stateful_step_count=60, derandomize=True)


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_many_random_days_keep_one_exclusive_consultation(database: Database) -> None:
    await run_machine(database, max_examples=60, stateful_step_count=60, print_blob=True)
