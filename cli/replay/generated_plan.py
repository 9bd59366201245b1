"""Turns a generated day into a replay plan with ids, names and times of today. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time
from typing import Any

from patient_visit_engine.cli.datasets.made_up import GIVEN_NAMES, made_up_name
from patient_visit_engine.cli.replay.clinic_day import play_day
from patient_visit_engine.cli.replay.generated_day import (
    CONSULTATION,
    LABORATORY,
    DayOptions,
    DrawnDay,
    DrawnPatient,
    draw_day,
)
from patient_visit_engine.cli.replay.plan import FIRST_ID, IDS_PER_RUN, MAX_RUNS, ReplayPlan
from patient_visit_engine.cli.replay.staff_actions import StaffAction
from patient_visit_engine.visit.calendar import HospitalCalendar, to_millisecond
from patient_visit_engine.visit.codes import Role

NOTE = "a generated day: docs/data-sets.md names the source of each number"


def build_generated_plan(options: DayOptions, today: date, calendar: HospitalCalendar, run: int) -> ReplayPlan:
    """Draw the day, play it, and give it the ids of this run."""
    day = draw_day(options)
    first_id = FIRST_ID + run % MAX_RUNS * IDS_PER_RUN + 1
    # The clinic changes the doctors of appointments while it plays, so the bookings are listed before.
    booked = [each for patient in day.patients if not patient.is_walk_in for each in patient.appointments]
    appointments = {
        first_id + each.number: (
            first_id + each.patient.number,
            first_id + each.doctor,
            first_id,
            to_millisecond(calendar.moment(today, _time_of_day(each.scheduled_at))),
        )
        for each in booked
    }
    actions = play_day(day)
    return ReplayPlan(
        day=today,
        patients={
            first_id + each.number: made_up_name(first_id + each.number) for each in day.patients if not each.is_new
        },
        doctors={first_id + index: _doctor(index, day) for index in range(options.doctors)},
        prestations={first_id: CONSULTATION, first_id + 1: LABORATORY},
        appointments=appointments,
        steps=(),
        notes=(f"{NOTE}, seed {options.seed}", _summary(day)),
        actions=tuple(_with_ids(action, actions[0].at, first_id, day.patients) for action in actions),
    )


def _with_ids(action: StaffAction, first_at: float, first_id: int, patients: list[DrawnPatient]) -> StaffAction:
    """The action with ids instead of indexes, and with the names of a new patient."""
    body: Mapping[str, Any] | None = action.body
    if body is not None:
        body = {**body, **{name: first_id + body[name] for name in ("doctor_id", "prestation_id") if name in body}}
    if action.command == "walk in as new patient" and action.patient is not None:
        first_name, last_name = made_up_name(first_id + action.patient)
        body = {**(body or {}), "patient": {"first_name": first_name, "last_name": last_name}}
    staff = action.staff
    return replace(
        action,
        at=action.at - first_at,
        staff=staff._replace(number=first_id + staff.number) if staff.role is Role.doctor else staff,
        patient=None if action.patient is None else first_id + action.patient,
        appointment=None if action.appointment is None else first_id + action.appointment,
        doctor=None if action.doctor is None else first_id + action.doctor,
        body=body,
        concerned=frozenset((kind, first_id + number) for kind, number in action.concerned),
    )


def _doctor(index: int, day: DrawnDay) -> tuple[str, str]:
    specialization = "Laboratory medicine" if index >= day.options.first_lab else "General medicine"
    return f"Dr. {GIVEN_NAMES[index % len(GIVEN_NAMES)]} {index + 1}", specialization


def _time_of_day(seconds: float) -> time:
    minutes, second = divmod(round(seconds), 60)
    return time(minutes // 60, minutes % 60, second)


def _summary(day: DrawnDay) -> str:
    walk_ins = sum(patient.is_walk_in for patient in day.patients)
    return f"{day.options.desks} desks, {len(day.patients) - walk_ins} patients with appointments, {walk_ins} walk-ins"
