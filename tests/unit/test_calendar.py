"""Days of any length in any time zone, and the format of moments in JSON."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from patient_visit_engine.visit.calendar import day_ends_at, day_starts_at, local_day, to_millisecond, to_rfc3339

ZONES = [
    "Africa/Cairo",
    "America/Asuncion",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Paris",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "UTC",
]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", date(2026, 3, 2), 24),
        ("Europe/Paris", date(2026, 3, 29), 23),
        ("Europe/Paris", date(2026, 10, 25), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("America/Sao_Paulo", date(2018, 2, 17), 25),
        ("Asia/Beirut", date(2022, 3, 27), 23),
        ("America/Havana", date(2025, 11, 2), 25),
        ("Australia/Lord_Howe", date(2025, 10, 5), 23.5),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
    ],
)
def test_day_has_the_hours_of_its_clock(zone: str, day: date, hours: float) -> None:
    length = day_ends_at(day, ZoneInfo(zone)) - day_starts_at(day, ZoneInfo(zone))

    assert length == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "day", "jump"),
    [
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, 0, tzinfo=UTC)),
        ("Asia/Beirut", date(2022, 3, 27), datetime(2022, 3, 26, 22, 0, tzinfo=UTC)),
    ],
)
def test_skipped_midnight_starts_day_at_the_jump(zone: str, day: date, jump: datetime) -> None:
    hospital_zone = ZoneInfo(zone)

    assert day_starts_at(day, hospital_zone) == jump
    assert local_day(jump, hospital_zone) == day
    assert local_day(jump - timedelta(milliseconds=1), hospital_zone) == day - timedelta(days=1)


def test_double_midnight_starts_day_at_the_first() -> None:
    havana = ZoneInfo("America/Havana")

    assert day_starts_at(date(2025, 11, 2), havana) == datetime(2025, 11, 2, 4, 0, tzinfo=UTC)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    at=st.timedeltas(timedelta(0), timedelta(days=20 * 365)).map(
        lambda later: datetime(2015, 1, 1, tzinfo=UTC) + later
    ),
    zone=st.sampled_from(ZONES),
)
@example(at=datetime(2018, 11, 4, 3, 0, tzinfo=UTC), zone="America/Sao_Paulo")
@example(at=datetime(2022, 3, 26, 22, 0, tzinfo=UTC), zone="Asia/Beirut")
@example(at=datetime(2018, 2, 18, 2, 30, tzinfo=UTC), zone="America/Sao_Paulo")
def test_every_moment_lies_in_its_own_day(at: datetime, zone: str) -> None:
    hospital_zone = ZoneInfo(zone)

    day = local_day(at, hospital_zone)

    assert day_starts_at(day, hospital_zone) <= at < day_ends_at(day, hospital_zone)


def test_moment_of_other_zone_gets_hospital_date() -> None:
    in_tokyo = datetime(2026, 3, 2, 7, 0, tzinfo=ZoneInfo("Asia/Tokyo"))

    assert local_day(in_tokyo, ZoneInfo("Europe/Paris")) == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("at", "rfc3339"),
    [
        (datetime(2025, 10, 14, 10, 30, tzinfo=UTC), "2025-10-14T10:30:00.000Z"),
        (datetime(2025, 10, 14, 12, 30, tzinfo=ZoneInfo("Europe/Paris")), "2025-10-14T10:30:00.000Z"),
        (datetime(2025, 10, 14, 10, 30, 0, 7_999, tzinfo=UTC), "2025-10-14T10:30:00.007Z"),
        (datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "2025-12-31T23:59:59.999Z"),
    ],
)
def test_moment_is_sent_in_utc_with_milliseconds(at: datetime, rfc3339: str) -> None:
    assert to_rfc3339(at) == rfc3339
    assert datetime.fromisoformat(rfc3339) == to_millisecond(at)


def test_stored_moment_is_cut_to_milliseconds() -> None:
    moment = to_millisecond(datetime(2025, 10, 14, 12, 30, 0, 7_999, tzinfo=ZoneInfo("Europe/Paris")))

    assert moment == datetime(2025, 10, 14, 10, 30, 0, 7_000, tzinfo=UTC)
    assert moment.tzinfo is UTC
