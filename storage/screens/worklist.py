"""The worklist: a day's appointments with the state of each patient, and the id of the last event that it includes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, select

from patient_visit_engine.storage.doctor_calls import WAITING_STATUSES
from patient_visit_engine.storage.facts import IDENTITY_COLUMNS
from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.screens.consultation_ends import read_ends
from patient_visit_engine.storage.screens.doctor_list import is_listed_between, list_item, read_list
from patient_visit_engine.storage.screens.in_house import read_arrivals
from patient_visit_engine.storage.screens.worklist_search import is_found, read_retired_records
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    log_head,
    patient_trackings,
    patients,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.storage.tickets import find_ticket_holders, read_tickets
from patient_visit_engine.visit.calendar import HospitalDay, to_rfc3339
from patient_visit_engine.visit.codes import (
    BEFORE_ARRIVAL,
    CLOSED_STATUSES,
    AppointmentStatus,
    Outcome,
    ReservationKind,
    TrackingStatus,
)
from patient_visit_engine.visit.list_order import Why
from patient_visit_engine.wire import screens
from patient_visit_engine.wire.field_types import status_name
from patient_visit_engine.wire.person_names import full_name
from patient_visit_engine.wire.search_words import typed_words
from patient_visit_engine.wire.trackings import optional_moment

FREE: screens.PatientNow = {
    "state": "free",
    "doctor": None,
    "doctor_id": None,
    "prestation": None,
    "since": None,
    "position": None,
    "until": None,
    "kind": None,
}
#: After these outcomes the appointment can be started again.
RESTARTABLE = (Outcome.released, Outcome.timed_out)
#: The doctors in line for each person, by the person's id.
Lines = dict[int, list[screens.Waiting]]
#: The columns that a search reads, and an item shows.
SEARCHED = (
    *IDENTITY_COLUMNS,
    doctors.c.name.label("doctor"),
    prestations.c.name.label("prestation"),
)


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


def read_worklist(connection: Connection, worklist_filter: WorklistFilter) -> screens.Worklist:
    """Read one page of the day.

    Call it in one read transaction, so that the cursor is the last event that these rows include.
    """
    conditions = _conditions(connection, worklist_filter)
    seq, epoch = connection.execute(select(log_head.c.seq, log_head.c.epoch)).one()
    first = (worklist_filter.page - 1) * worklist_filter.page_size
    if (listed_ids := _listed_ids(connection, conditions, worklist_filter)) is not None:
        total = len(listed_ids)
        page_ids = listed_ids[first : first + worklist_filter.page_size]
        is_on_page = appointments.c.id.in_(page_ids)
        by_id = {row.id: row for row in connection.execute(_listed(worklist_filter.today.date).where(is_on_page))}
        rows: Sequence[Row[Any]] = [by_id[number] for number in page_ids]
    else:
        # Without the joins: with them PostgreSQL may read all patients, to count the appointments of a day.
        of_day = select(func.count()).select_from(appointments).where(*conditions)
        total = connection.execute(of_day).scalar_one()
        page = _listed(worklist_filter.today.date).where(*conditions).limit(worklist_filter.page_size).offset(first)
        rows = connection.execute(page).all()
    all_trackings = _read_trackings(connection, [row.id for row in rows])
    trackings = {row.appointment_id: row for row in all_trackings}
    ends = _read_ends(connection, rows, all_trackings, worklist_filter)
    person_ids = {row.person_id for row in rows}
    lines = _read_lines(connection, person_ids)
    running = connection.execute(_exclusive_consultations(person_ids)).all()
    with_me = {row.person_id for row in running if row.doctor_id == worklist_filter.asking_doctor_id}
    states = patient_states(connection, person_ids, lines, running, worklist_filter.asking_doctor_id)
    arrivals = read_arrivals(connection, worklist_filter.today, person_ids)
    tickets = read_tickets(connection, worklist_filter.day, person_ids)
    return {
        "date": worklist_filter.day.isoformat(),
        "items": [
            {
                **_worklist_item(
                    row, trackings.get(row.id), states.get(row.person_id, FREE), tickets.get(row.person_id)
                ),
                "ended_by": ends[row.id].by_name if row.id in ends else None,
                "ended_reason": ends[row.id].reason if row.id in ends else None,
                "present": row.person_id in arrivals,
                "why": _why(row, trackings.get(row.id), arrivals, worklist_filter),
                "late_minutes": _late_minutes(row, trackings.get(row.id), worklist_filter),
                "waiting_for_me": lines.get(row.person_id, []) if row.person_id in with_me else [],
            }
            for row in rows
        ],
        "page": worklist_filter.page,
        "page_size": worklist_filter.page_size,
        "total": total,
        "cursor": f"{epoch}-{seq}",
    }


def _listed_ids(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], worklist_filter: WorklistFilter
) -> list[int] | None:
    """The ids of all appointments of a search or of a doctor's list of today, in order. None: the database can select the page."""
    found_ids = _search_ids(connection, conditions, worklist_filter) if worklist_filter.search else None
    if worklist_filter.doctor_id is None or not worklist_filter.is_today:
        return found_ids
    in_order = read_list(connection, conditions, worklist_filter.today)
    return [item.appointment_id for item in in_order if found_ids is None or item.appointment_id in found_ids]


def _search_ids(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], worklist_filter: WorklistFilter
) -> list[int]:
    """The ids of the appointments that match the search, in the order of the worklist.

    The program compares the words, because each database folds letters in its own way. A day has some thousand appointments.
    """
    if not (typed := typed_words(worklist_filter.search)):
        return []
    columns = (appointments.c.id, patients.c.id.label("person_id"), *SEARCHED)
    rows = connection.execute(_in_order(_joined(select(*columns)).where(*conditions))).all()
    retired = read_retired_records(connection, conditions)
    holders = find_ticket_holders(connection, worklist_filter.day, typed)
    return [
        row.id
        for row in rows
        if is_found(typed, row, retired.get(row.person_id, ()), holders.get(row.person_id, set()))
    ]


def _listed(today: date) -> Select[Any]:
    columns = (patients.c.id.label("person_id"), *SEARCHED, prestations.c.exclusive, shown_room(today).label("room"))
    return _in_order(_joined(select(appointments, *columns)))


def _in_order(query: Select[Any]) -> Select[Any]:
    return query.order_by(appointments.c.scheduled_at, appointments.c.id)


def _joined(query: Select[Any]) -> Select[Any]:
    """The query with the survivor of each appointment's record (`patients`), the doctor and the prestation."""
    record = patients.alias("record")
    return (
        query.select_from(appointments)
        .join(record, record.c.id == appointments.c.patient_id)
        .join(patients, patients.c.id == record.c.person_id)
        .join(doctors, doctors.c.id == appointments.c.doctor_id)
        .join(prestations, prestations.c.id == appointments.c.prestation_id)
    )


def _conditions(connection: Connection, worklist_filter: WorklistFilter) -> list[ColumnElement[bool]]:
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


def _read_trackings(connection: Connection, appointment_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """All trackings of these appointments, the latest last."""
    query = select(patient_trackings).where(patient_trackings.c.appointment_id.in_(appointment_ids))
    return connection.execute(query.order_by(patient_trackings.c.id)).all()


def _read_ends(
    connection: Connection, rows: Iterable[Row[Any]], trackings: Iterable[Row[Any]], worklist_filter: WorklistFilter
) -> dict[int, Row[Any]]:
    """How the last consultation of each appointment ended early, if the appointment can be started again and the caller may know."""
    consultations = {row.appointment_id: row for row in trackings if row.consultation_id is not None}
    startable = (consultations[row.id] for row in rows if row.id in consultations and row.status not in CLOSED_STATUSES)
    ended_early = [row for row in startable if row.outcome in RESTARTABLE]
    if not worklist_filter.sees_all_ends:
        ended_early = [row for row in ended_early if row.doctor_id == worklist_filter.asking_doctor_id]
    return read_ends(connection, ended_early)


def _read_lines(connection: Connection, person_ids: set[int]) -> Lines:
    """The doctors in line for each person, the first one first."""
    lines: Lines = {}
    for row in connection.execute(_lines_of_persons(person_ids)):
        line = lines.setdefault(row.person_id, [])
        since = to_rfc3339(row.since)
        line.append({"doctor_id": row.doctor_id, "name": row.doctor, "since": since, "position": len(line) + 1})
    return lines


def patient_states(
    connection: Connection,
    person_ids: set[int],
    lines: Lines,
    running: Iterable[Row[Any]],
    asking_doctor_id: int | None,
) -> dict[int, screens.PatientNow]:
    """The state of each person who is not free, or for whom a doctor waits. `running` are their exclusive consultations."""
    states: dict[int, screens.PatientNow] = {}
    for person_id, line in lines.items():
        position = next((place["position"] for place in line if place["doctor_id"] == asking_doctor_id), None)
        states[person_id] = {**FREE, "position": position}
    for row in connection.execute(_reservations(person_ids)):
        patient = states.get(row.person_id, FREE)
        reserved = _occupied_by(patient, row, "reserved", row.since, row.until)
        states[row.person_id] = {**reserved, "kind": ReservationKind(row.kind)}
    for row in running:
        patient = states.get(row.person_id, FREE)
        states[row.person_id] = _occupied_by(patient, row, "in_consultation", row.started_at, None)
    return states


def _occupied_by(
    patient: screens.PatientNow, row: Row[Any], state: screens.PatientState, since: datetime, until: datetime | None
) -> screens.PatientNow:
    """The patient with the doctor of `row`, who has the patient now or is reserved. The position in line stays."""
    return {
        **patient,
        "state": state,
        "doctor": row.doctor,
        "doctor_id": row.doctor_id,
        "prestation": row.prestation,
        "since": to_rfc3339(since),
        "until": optional_moment(until),
        "kind": None,
    }


def _late_minutes(row: Row[Any], latest: Row[Any] | None, worklist_filter: WorklistFilter) -> int | None:
    """From the scheduled time to the arrival, or to now while the patient is expected today. 0 for one who is in time."""
    if latest is not None and latest.outcome != Outcome.mistaken:
        arrived_at: datetime = latest.check_in_time
    elif worklist_filter.is_today and row.status in BEFORE_ARRIVAL:
        arrived_at = worklist_filter.now
    else:
        return None
    return max(0, int((arrived_at - row.scheduled_at).total_seconds() // 60))


def _why(
    row: Row[Any], latest: Row[Any] | None, arrivals: Mapping[int, datetime], worklist_filter: WorklistFilter
) -> Why | None:
    """Why the appointment stands where it stands in its doctor's list. None when it has begun or is over, and on another day."""
    if not worklist_filter.is_today or row.status not in WAITING_STATUSES:
        return None
    checked_in_at = None if latest is None or latest.outcome is not None else latest.check_in_time
    return list_item(row, checked_in_at, arrivals).why


def _lines_of_persons(person_ids: set[int]) -> Select[Any]:
    return _with_names(waiting_line, appointments.c.prestation_id, person_ids).order_by(
        waiting_line.c.turn, waiting_line.c.id
    )


def _reservations(person_ids: set[int]) -> Select[Any]:
    return _with_names(reservations, appointments.c.prestation_id, person_ids)


def _exclusive_consultations(person_ids: set[int]) -> Select[Any]:
    is_running = patient_trackings.c.status == TrackingStatus.in_progress.value
    rows = _with_names(patient_trackings, patient_trackings.c.prestation_id, person_ids)
    # The first one comes last and is shown. Two records that became one person can both be in an exclusive consultation.
    return rows.where(is_running, patient_trackings.c.exclusive).order_by(patient_trackings.c.id.desc())


def _with_names(table: Table, prestation_id: ColumnElement[int], person_ids: set[int]) -> Select[Any]:
    """The rows of these persons, with the names of doctor and prestation."""
    return (
        select(table, doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
        .join(doctors, doctors.c.id == table.c.doctor_id)
        .join(appointments, appointments.c.id == table.c.appointment_id)
        .join(prestations, prestations.c.id == prestation_id)
        .where(table.c.person_id.in_(person_ids))
    )


def _worklist_item(
    row: Row[Any], latest: Row[Any] | None, patient: screens.PatientNow, ticket: str | None
) -> screens.AppointmentOnWorklist:
    status = AppointmentStatus(row.status)
    outcome = None if latest is None else latest.outcome
    # A tracking that was cancelled, not seen, released or timed out does not describe the appointment's present state.
    tracking = latest if outcome in (None, Outcome.done) else None
    can_restart = outcome in RESTARTABLE and status not in CLOSED_STATUSES
    return {
        "appointment_id": row.id,
        "scheduled_at": to_rfc3339(row.scheduled_at),
        "status": status_name(status),
        "status_code": status,
        "patient_id": row.person_id,
        "patient_name": full_name(row.first_name, row.last_name),
        "birth_date": row.birth_date,
        "record_number": row.record_number,
        "doctor_id": row.doctor_id,
        "doctor_name": row.doctor,
        "room": row.room,
        "prestation_id": row.prestation_id,
        "prestation": row.prestation,
        "exclusive": row.exclusive,
        "priority": row.priority,
        "no_answers": row.no_answers,
        "checked_in_at": None if tracking is None else to_rfc3339(tracking.check_in_time),
        "consultation_id": None if tracking is None else tracking.consultation_id,
        "started_at": None if tracking is None else optional_moment(tracking.started_at),
        "overdue_at": None if tracking is None else optional_moment(tracking.overdue_at),
        "paused_at": None if tracking is None else optional_moment(tracking.paused_at),
        "ended_as": outcome if can_restart else None,
        "ticket": ticket,
        "patient": patient,
    }
