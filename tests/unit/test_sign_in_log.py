"""The limit of log lines about failed sign-ins."""

from datetime import timedelta

import pytest

from patient_visit_engine.api.access.sign_in_log import MAX_LINES, MAX_LINES_PER_ADDRESS, WINDOW, LineLimit
from tests.support.builders import NOON


def test_limits_lines_of_an_address_and_of_all() -> None:
    limit = LineLimit()

    of_one = [limit.admit("attacker", NOON) for _ in range(100)]
    of_many = [limit.admit(f"attacker-{number}", NOON) for number in range(100)]

    assert (sum(of_one), sum(of_many)) == (MAX_LINES_PER_ADDRESS, MAX_LINES - MAX_LINES_PER_ADDRESS)
    assert (limit.take_suppressed(), limit.take_suppressed()) == (200 - MAX_LINES, 0)


@pytest.mark.parametrize("later", [WINDOW, timedelta(days=1), timedelta(hours=-1)])
def test_writes_again_in_the_next_window(later: timedelta) -> None:
    limit = LineLimit()
    for _ in range(100):
        limit.admit("attacker", NOON)

    assert not limit.admit("attacker", NOON + WINDOW - timedelta(milliseconds=1))
    assert limit.admit("attacker", NOON + later)
