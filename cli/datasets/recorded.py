"""The result of reading a data set: recorded appointments and refused rows.

The ids of each data set lie in their own range. So two sets in one database never share a patient by accident.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAppointment:
    """One appointment of a data set. Times are the hospital's local times without a zone."""

    line: int
    appointment_id: int
    patient_id: int
    doctor_id: int
    doctor: str
    prestation_id: int
    prestation: str
    exclusive: bool
    expected_minutes: int
    scheduled_at: datetime
    #: None when the set does not record them. Some sets record only the start.
    started_at: datetime | None = None
    ended_at: datetime | None = None
    #: False if the patient never came.
    attended: bool = True
    specialization: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be imported, with a reason for a person. `file` is set when the row's file is known."""

    line: int
    reason: str
    file: str = ""


@dataclass(frozen=True)
class RecordedSet:
    """A data set after reading. Each of its rows is in `appointments` or in `refused`."""

    name: str
    appointments: tuple[RecordedAppointment, ...]
    refused: tuple[RefusedRow, ...]
    #: What the set lacks and how the reader replaced it, one sentence each.
    notes: tuple[str, ...] = ()
    #: True if each patient's dates were moved by an unknown number of days, so that two patients cannot be compared.
    dates_are_shifted: bool = False


def busiest_day(appointments: Iterable[RecordedAppointment]) -> date:
    """The day with the most appointments, or the earliest of such days."""
    counts: dict[date, int] = {}
    for appointment in appointments:
        day = appointment.scheduled_at.date()
        counts[day] = counts.get(day, 0) + 1
    return min(counts, key=lambda day: (-counts[day], day))
