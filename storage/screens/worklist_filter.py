"""Which appointments the worklist has, and for whom it is read."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection

from patient_visit_engine.storage.screens.doctor_list import is_listed_between
from patient_visit_engine.storage.tables import appointments
from patient_visit_engine.visit.calendar import HospitalDay
from patient_visit_engine.visit.codes import AppointmentStatus


@dataclass(frozen=True)
class WorklistFilter:
    """Which appointments to list.

    `starts_at` and `ends_at` are the bounds of `day`. On `today` the list also has the open trackings of other days. `now` is the
    time to which the delay of expected patients counts.
    `search` is the text of the search, if there is one. `asking_doctor_id` is the doctor for whom a position in line is looked up.
    """

    day: date
    starts_at: datetime
    ends_at: datetime
    today: HospitalDay
    now: datetime
    page: int
    page_size: int
    doctor_id: int | None = None
    statuses: frozenset[AppointmentStatus] = frozenset()
    search: str = ""
    asking_doctor_id: int | None = None
    #: Only these appointments can be listed. None: any.
    appointment_ids: tuple[int, ...] | None = None
    #: Whether the caller may know who ended any consultation, and not only those of the asking doctor.
    sees_all_ends: bool = False

    @property
    def is_today(self) -> bool:
        """Whether the list is that of the present hospital day."""
        return self.day == self.today.date


def filter_conditions(connection: Connection, worklist_filter: WorklistFilter) -> list[ColumnElement[bool]]:
    """The conditions on the appointments that the filter lists, without its search."""
    starts_at, ends_at = worklist_filter.starts_at, worklist_filter.ends_at
    is_of_day = is_listed_between(connection, starts_at, ends_at, is_today=worklist_filter.is_today)
    conditions: list[ColumnElement[bool]] = [is_of_day]
    if worklist_filter.appointment_ids is not None:
        conditions.append(appointments.c.id.in_(worklist_filter.appointment_ids))
    if worklist_filter.doctor_id is not None:
        conditions.append(appointments.c.doctor_id == worklist_filter.doctor_id)
    if worklist_filter.statuses:
        conditions.append(appointments.c.status.in_(sorted(worklist_filter.statuses)))
    return conditions
