"""Days of any length in any time zone, and the format of moments in JSON."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from patient_visit_engine.visit.calendar import HospitalCalendar, to_millisecond, to_rfc3339

PARIS = HospitalCalendar(ZoneInfo("Europe/Paris"))
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
    at_midnight = HospitalCalendar(ZoneInfo(zone), time(0))

    assert at_midnight.ends_at(day) - at_midnight.starts_at(day) == timedelta(hours=hours)


def test_night_belongs_to_the_day_before() -> None:
    paris = HospitalCalendar(ZoneInfo("Europe/Paris"))
    four = datetime(2026, 3, 3, 3, 0, tzinfo=UTC)

    assert paris.starts_at(date(2026, 3, 3)) == four == paris.ends_at(date(2026, 3, 2))
    assert paris.day_of(four - timedelta(milliseconds=1)) == date(2026, 3, 2)
    assert paris.day_of(four) == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("zone", "day", "jump"),
    [
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, 0, tzinfo=UTC)),
        ("Asia/Beirut", date(2022, 3, 27), datetime(2022, 3, 26, 22, 0, tzinfo=UTC)),
    ],
)
def test_skipped_midnight_starts_day_at_the_jump(zone: str, day: date, jump: datetime) -> None:
    at_midnight = HospitalCalendar(ZoneInfo(zone), time(0))

    assert at_midnight.starts_at(day) == jump
    assert at_midnight.day_of(jump) == day
    assert at_midnight.day_of(jump - timedelta(milliseconds=1)) == day - timedelta(days=1)


def test_double_midnight_starts_day_at_the_first() -> None:
    havana = HospitalCalendar(ZoneInfo("America/Havana"), time(0))

    assert havana.starts_at(date(2025, 11, 2)) == datetime(2025, 11, 2, 4, 0, tzinfo=UTC)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    at=st.timedeltas(timedelta(0), timedelta(days=20 * 365)).map(
        lambda later: datetime(2015, 1, 1, tzinfo=UTC) + later
    ),
    zone=st.sampled_from(ZONES),
    day_starts=st.sampled_from([time(0), time(2, 30), time(4), time(23, 59)]),
)
@example(at=datetime(2018, 11, 4, 3, 0, tzinfo=UTC), zone="America/Sao_Paulo", day_starts=time(0))
@example(at=datetime(2022, 3, 26, 22, 0, tzinfo=UTC), zone="Asia/Beirut", day_starts=time(0))
@example(at=datetime(2018, 2, 18, 2, 30, tzinfo=UTC), zone="America/Sao_Paulo", day_starts=time(0))
def test_every_moment_lies_in_its_own_day(at: datetime, zone: str, day_starts: time) -> None:
    calendar = HospitalCalendar(ZoneInfo(zone), day_starts)

    day = calendar.day_of(at)

    assert calendar.starts_at(day) <= at < calendar.ends_at(day)


def test_moment_of_other_zone_gets_hospital_date() -> None:
    in_tokyo = datetime(2026, 3, 2, 7, 0, tzinfo=ZoneInfo("Asia/Tokyo"))

    assert HospitalCalendar(ZoneInfo("Europe/Paris"), time(0)).day_of(in_tokyo) == date(2026, 3, 1)


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


@pytest.mark.parametrize(
    ("local_time", "moment"),
    [
        (time(4), datetime(2026, 3, 2, 3, tzinfo=UTC)),
        (time(23, 59), datetime(2026, 3, 2, 22, 59, tzinfo=UTC)),
        (time(0), datetime(2026, 3, 2, 23, tzinfo=UTC)),
        (time(3, 59), datetime(2026, 3, 3, 2, 59, tzinfo=UTC)),
    ],
)
def test_times_after_midnight_belong_to_the_day_before(local_time: time, moment: datetime) -> None:
    day = date(2026, 3, 2)

    assert PARIS.moment(day, local_time) == moment
    assert PARIS.day_of(moment) == day
