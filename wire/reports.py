"""The report of a hospital day: the figures of each doctor, and of all. `docs/report.md` defines them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.wire.field_types import Count, Date, Name, RecordId, closed

#: The most minutes that a figure can have: far more than a consultation can take.
MAX_MINUTES = 10_000_000
MEDIAN, P90 = 50, 90
#: The waits are counted in steps of 15 minutes. The last step has no end.
STEP_MINUTES, LAST_STEP_MINUTES = 15, 120

Minutes = Annotated[float, Field(ge=0, le=MAX_MINUTES)]


@closed
class WaitStep(TypedDict):
    """How many patients waited from `from_minutes` to the next step."""

    from_minutes: Annotated[int, Field(ge=0, le=LAST_STEP_MINUTES)]
    count: Count


class Figures(TypedDict):
    seen: Count
    waiting_p50_minutes: Minutes | None
    waiting_p90_minutes: Minutes | None
    consultation_p50_minutes: Minutes | None
    overdue: Count
    refused_starts: Count
    released: Count
    timed_out: Count
    no_shows: Count
    left: Count
    waits: Annotated[list[WaitStep], Field(description="in steps of 15 minutes; the last one has no end")]


@closed
class TotalFigures(Figures):
    """The figures of all doctors together."""


@closed
class DoctorFigures(Figures):
    """The figures of one doctor."""

    doctor_id: RecordId
    doctor: Name


@closed
class DayReport(TypedDict):
    """The figures of a hospital day. `doctors` has each doctor with something to report, in the order of names."""

    date: Date
    total: TotalFigures
    doctors: list[DoctorFigures]


@dataclass(frozen=True)
class ReportedTracking:
    """What the report needs of a tracking. `outcome` and `ended_at` are None while it is open. `was_undone`: it does not count."""

    doctor_id: int
    outcome: Outcome | None
    #: The patient's arrival was before the start, and no other doctor had the patient since.
    checked_in: bool
    was_undone: bool
    is_running: bool
    check_in_time: datetime
    started_at: datetime | None
    overdue_at: datetime | None
    ended_at: datetime | None
    #: How long the consultation was paused in all.
    paused: timedelta = timedelta()

    def waited(self) -> timedelta | None:
        """The time from the arrival to the start, or None when the patient was not checked in or nothing has started."""
        if self.started_at is None or not self.checked_in or self.was_undone:
            return None
        return max(self.started_at - self.check_in_time, timedelta())

    def lasted(self) -> timedelta | None:
        """The duration of a consultation that its doctor completed, without its pauses, or None."""
        if self.outcome is not Outcome.done or self.started_at is None or self.ended_at is None:
            return None
        return max(self.ended_at - self.started_at - self.paused, timedelta())

    def is_overdue(self, now: datetime) -> bool:
        """Whether the doctor completed it after its expected end, or is still in it after that time."""
        if self.overdue_at is None:
            return False
        if self.outcome is Outcome.done and self.ended_at is not None:
            return self.ended_at > self.overdue_at
        return self.is_running and now > self.overdue_at

    def has_ended_as(self, outcome: Outcome) -> bool:
        return self.outcome is outcome and not self.was_undone


@dataclass(frozen=True)
class DayRows:
    """What the database has about a day. `refused_starts` and `no_shows` are numbers by doctor."""

    trackings: Sequence[ReportedTracking]
    refused_starts: Mapping[int, int]
    no_shows: Mapping[int, int]

    def doctor_ids(self) -> set[int]:
        """Everyone who has something to report."""
        return {row.doctor_id for row in self.trackings} | self.refused_starts.keys() | self.no_shows.keys()


def day_report(day: date, rows: DayRows, doctors: Mapping[int, str], now: datetime) -> DayReport:
    """The report. `doctors` has the names by id, in the order of the report."""
    by_doctor: dict[int, list[ReportedTracking]] = {doctor_id: [] for doctor_id in doctors}
    for tracking in rows.trackings:
        by_doctor[tracking.doctor_id].append(tracking)
    total: TotalFigures = {
        **_figures_of(rows.trackings, now),
        "refused_starts": sum(rows.refused_starts.values()),
        "no_shows": sum(rows.no_shows.values()),
    }
    return {
        "date": day.isoformat(),
        "total": total,
        "doctors": [
            {
                "doctor_id": doctor_id,
                "doctor": doctor,
                **_figures_of(by_doctor[doctor_id], now),
                "refused_starts": rows.refused_starts.get(doctor_id, 0),
                "no_shows": rows.no_shows.get(doctor_id, 0),
            }
            for doctor_id, doctor in doctors.items()
        ],
    }


def _figures_of(trackings: Sequence[ReportedTracking], now: datetime) -> Figures:
    """The figures that follow from trackings. The others are zero."""
    waits = _durations(trackings, ReportedTracking.waited)
    consultations = _durations(trackings, ReportedTracking.lasted)

    def count_ended_as(outcome: Outcome) -> int:
        return sum(tracking.has_ended_as(outcome) for tracking in trackings)

    return {
        "seen": count_ended_as(Outcome.done),
        "waiting_p50_minutes": nearest_rank(waits, MEDIAN),
        "waiting_p90_minutes": nearest_rank(waits, P90),
        "consultation_p50_minutes": nearest_rank(consultations, MEDIAN),
        "overdue": sum(tracking.is_overdue(now) for tracking in trackings),
        "refused_starts": 0,
        "released": count_ended_as(Outcome.released),
        "timed_out": count_ended_as(Outcome.timed_out),
        "no_shows": 0,
        "left": count_ended_as(Outcome.left),
        "waits": _steps(waits),
    }


def _durations(
    trackings: Iterable[ReportedTracking], duration: Callable[[ReportedTracking], timedelta | None]
) -> list[int]:
    """The durations in whole seconds, shortest first."""
    durations = (duration(tracking) for tracking in trackings)
    return sorted(int(each.total_seconds()) for each in durations if each is not None)


def nearest_rank(seconds: Sequence[int], percent: int) -> float | None:
    """The percentile of the sorted durations, in minutes with one decimal. It is one of the durations. None without any."""
    if not seconds:
        return None
    rank = -(-len(seconds) * percent // 100)
    return round(seconds[rank - 1] / 60, 1)


def _steps(seconds: Sequence[int]) -> list[WaitStep]:
    counts = dict.fromkeys(range(0, LAST_STEP_MINUTES + 1, STEP_MINUTES), 0)
    for duration in seconds:
        counts[min(duration // 60 // STEP_MINUTES * STEP_MINUTES, LAST_STEP_MINUTES)] += 1
    return [{"from_minutes": minutes, "count": count} for minutes, count in counts.items()]
