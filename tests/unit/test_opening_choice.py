"""Which visits a worker opens ahead of their appointments, and how many at a time."""

from datetime import timedelta

import pytest

from patient_visit_engine.worker.opening_choice import (
    LATE_BY,
    NOT_BEFORE_DAY_END,
    OpeningChoice,
    OpeningLimits,
)
from tests.support.builders import CALENDAR, DAY, DAY_END, NOON, YESTERDAY, minutes

AHEAD = minutes(15)
A_SECOND = timedelta(seconds=1)


def a_choice(per_step: int = 3, per_minute: int = 5, remembered: int = 10) -> OpeningChoice:
    return OpeningChoice(CALENDAR, AHEAD, OpeningLimits(per_step, per_minute, remembered=remembered))


def open_chosen(choice: OpeningChoice, patients: range, at: float) -> list[int]:
    chosen = choice.choose(patients, DAY, at)
    for patient in chosen:
        choice.note_sent(at)
        choice.note_open(patient, DAY)
    return chosen


def test_period_reaches_from_late_to_near_appointments() -> None:
    assert a_choice().find_period(NOON) == (DAY, NOON - LATE_BY, NOON + AHEAD)


def test_period_never_leaves_the_hospital_day() -> None:
    morning = CALENDAR.starts_at(DAY) + A_SECOND
    evening = DAY_END - NOT_BEFORE_DAY_END - A_SECOND
    long_ahead = OpeningChoice(CALENDAR, timedelta(hours=2))

    assert a_choice().find_period(morning) == (DAY, CALENDAR.starts_at(DAY), morning + AHEAD)
    assert long_ahead.find_period(evening) == (DAY, evening - LATE_BY, DAY_END)


@pytest.mark.parametrize("before_end", [NOT_BEFORE_DAY_END, A_SECOND])
def test_no_visit_is_opened_when_the_day_ends(before_end: timedelta) -> None:
    assert a_choice().find_period(DAY_END - before_end) is None


def test_zero_switches_openings_off() -> None:
    choice = OpeningChoice(CALENDAR, timedelta(0))

    assert choice.is_off
    assert choice.find_period(NOON) is None


def test_step_has_a_limit() -> None:
    choice = a_choice(per_step=3, per_minute=100)

    assert open_chosen(choice, range(1, 8), at=0) == [1, 2, 3]
    assert open_chosen(choice, range(1, 8), at=5) == [4, 5, 6]
    assert open_chosen(choice, range(1, 8), at=10) == [7]


def test_minute_has_a_limit() -> None:
    choice = a_choice(per_step=3, per_minute=5)
    by_second = {at: open_chosen(choice, range(1, 20), at) for at in (0, 5, 10, 59, 60, 65)}

    assert {at: len(chosen) for at, chosen in by_second.items()} == {0: 3, 5: 2, 10: 0, 59: 0, 60: 3, 65: 2}


def test_failed_openings_count_too() -> None:
    choice = a_choice(per_minute=2)
    for at in (0.0, 1.0):
        choice.note_sent(at)

    assert choice.choose([1], DAY, 2.0) == []
    assert choice.choose([1], DAY, 60.0) == [1]


def test_patient_with_two_appointments_is_chosen_once() -> None:
    assert a_choice().choose([1, 2, 1, 1, 3], DAY, 0.0) == [1, 2, 3]


def test_open_visit_is_chosen_again_on_another_day() -> None:
    choice = a_choice()
    choice.note_open(1, YESTERDAY)

    assert choice.choose([1], YESTERDAY, 0.0) == []
    assert choice.choose([1], DAY, 0.0) == [1]


def test_memory_keeps_the_newest_visits() -> None:
    choice = a_choice(per_step=10, remembered=3)
    for patient in (1, 2, 3, 1, 4):
        choice.note_open(patient, DAY)

    assert choice.choose(range(1, 5), DAY, 0.0) == [2]


def test_default_limits_are_those_of_the_documentation() -> None:
    assert OpeningLimits() == OpeningLimits(per_step=10, per_minute=60, slow_seconds=0.25, remembered=20_000)
