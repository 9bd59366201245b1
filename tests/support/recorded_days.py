"""Recorded appointments, and the plans of their replays."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet
from patient_visit_engine.cli.replay.plan import ReplayPlan, build_plan
from patient_visit_engine.visit.calendar import HospitalCalendar

TODAY = date(2026, 3, 2)
PARIS = HospitalCalendar(ZoneInfo("Europe/Paris"))
MONDAY = datetime.fromisoformat("2016-06-06T09:00")


def recorded(number: int, **changes: Any) -> RecordedAppointment:
    """The appointment with this number, of one patient with the doctor of the same number."""
    default = RecordedAppointment(
        line=number,
        appointment_id=number,
        patient_id=1,
        doctor_id=number,
        doctor=f"Dr. {number}",
        prestation_id=1,
        prestation="Consultation",
        exclusive=True,
        expected_minutes=20,
        scheduled_at=MONDAY,
    )
    return replace(default, **changes)


def plan_for(*rows: RecordedAppointment, shifted: bool = False, day: date | None = None, **options: Any) -> ReplayPlan:
    """The plan of a replay of these appointments."""
    data_set = RecordedSet("set", rows, (), dates_are_shifted=shifted)
    return build_plan(data_set, day, TODAY, PARIS, 7, **options)
