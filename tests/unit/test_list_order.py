"""The order of a doctor's list."""

from dataclasses import replace
from datetime import timedelta

import pytest

from patient_visit_engine.visit.list_order import ListItem, next_callable, order_of
from tests.support.builders import NOON, minutes

BOOKED = ListItem(1, NOON, NOON - minutes(20))
LATE = ListItem(2, NOON - minutes(30), NOON + minutes(5))
WALK_IN = ListItem(3, NOON, NOON - minutes(10), is_walk_in=True)
URGENT = ListItem(4, NOON + timedelta(hours=2), NOON + minutes(5), priority=1)
ABSENT = ListItem(5, NOON - minutes(60))
SAME_TIME = ListItem(6, NOON, NOON - minutes(1))


def test_priority_then_effective_time_then_id() -> None:
    ordered = order_of([WALK_IN, SAME_TIME, LATE, ABSENT, BOOKED, URGENT])

    assert [(item.appointment_id, item.why) for item in ordered] == [
        (4, "priority"),
        (5, "not_present"),
        (1, "booked"),
        (6, "booked"),
        (2, "late"),
        (3, "walk_in"),
    ]


#: Whether an item has begun or is over, and how its patient came. One day for each row: 1 has not answered a call, and is behind 2.
SILENT = ListItem(1, NOON, NOON - minutes(20), no_answers=1, behind_id=2, called_at=NOON)
DAYS = {
    "the next one was called": replace(LATE, called_at=NOON + minutes(6)),
    "the next one was started without a call": replace(LATE, can_begin=False),
    "the next one was started before the call": replace(LATE, called_at=NOON - minutes(6), can_begin=False),
    "the next one has left": replace(LATE, arrived_at=None),
    "the next one has not answered three times": replace(LATE, no_answers=3, called_at=NOON - minutes(6)),
    "the next one is still waiting": LATE,
    "the next one is behind another one": replace(LATE, no_answers=1, behind_id=3, called_at=NOON - minutes(6)),
}


@pytest.mark.parametrize("next_one", DAYS.values(), ids=DAYS)
def test_page_and_calls_have_one_order(next_one: ListItem) -> None:
    """The page lists everything of the day, and calls look only at what can begin."""
    page = order_of([SILENT, next_one, WALK_IN, URGENT, replace(SAME_TIME, can_begin=False), ABSENT])
    calls = order_of([ABSENT, *(item for item in (SILENT, next_one, WALK_IN, URGENT) if item.can_begin)])

    assert ids(tuple(item for item in page if item.can_begin)) == ids(calls)
    assert next_callable(page, URGENT.appointment_id) == next_callable(calls, URGENT.appointment_id)


def ids(items: tuple[ListItem, ...]) -> list[int]:
    return [item.appointment_id for item in items]


def test_no_answer_stands_behind_the_next_one_until_that_is_called() -> None:
    silent = ListItem(1, NOON, NOON - minutes(20), no_answers=1, behind_id=2, called_at=NOON)

    assert ids(order_of([silent, LATE, WALK_IN])) == [2, 1, 3]
    assert ids(order_of([silent, WALK_IN])) == [1, 3]
    assert order_of([silent, LATE])[1].why == "no_answer"


def test_each_call_ends_the_wait_of_those_behind() -> None:
    """1 and 2 do not answer in turn: each time, the one who was called last comes after the other one."""
    first = ListItem(1, NOON, NOON, no_answers=1, behind_id=2, called_at=NOON)
    second = ListItem(2, NOON, NOON, no_answers=1, behind_id=1, called_at=NOON + minutes(3))
    first_again = replace(first, no_answers=2, called_at=NOON + minutes(6))

    assert ids(order_of([first, second, WALK_IN])) == [1, 2, 3]
    assert ids(order_of([first_again, second, WALK_IN])) == [2, 1, 3]


def test_three_calls_without_answer_are_for_the_desk() -> None:
    silent = ListItem(1, NOON, NOON - minutes(20), no_answers=3, behind_id=2, called_at=NOON)

    assert (silent.is_callable, silent.why) == (False, "for_desk")
    assert ids(order_of([silent, LATE, WALK_IN])) == [1, 2, 3]
    assert next_callable(order_of([silent, LATE, WALK_IN]), 3) == 2


def test_next_callable_comes_after_the_item_and_else_from_the_top() -> None:
    ordered = order_of([BOOKED, LATE, WALK_IN, ABSENT])

    assert [next_callable(ordered, number) for number in (1, 2, 3)] == [2, 3, 1]
    assert next_callable(order_of([BOOKED, ABSENT]), 1) is None
