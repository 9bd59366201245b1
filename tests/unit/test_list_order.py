"""The order of a doctor's list."""

from datetime import timedelta

from patient_visit_engine.visit.list_order import ListItem, order_of
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
