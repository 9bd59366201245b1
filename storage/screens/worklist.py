"""The worklist: a day's appointments with the state of each patient, and the id of the last event that it includes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from patient_visit_engine.storage.doctor_calls import read_calls_without_reservation
from patient_visit_engine.storage.facts import EXPECTED_MINUTES, IDENTITY_COLUMNS
from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.screens.consultation_ends import read_ends
from patient_visit_engine.storage.screens.doctor_list import read_list
from patient_visit_engine.storage.screens.in_house import read_arrivals
from patient_visit_engine.storage.screens.patient_states import (
    FREE,
    exclusive_consultations,
    patient_states,
    read_lines,
)
from patient_visit_engine.storage.screens.worklist_filter import WorklistFilter, filter_conditions
from patient_visit_engine.storage.screens.worklist_items import (
    RESTARTABLE,
    late_minutes,
    shown_calls,
    why_listed,
    worklist_item,
)
from patient_visit_engine.storage.screens.worklist_search import is_found, read_retired_records
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    log_head,
    patient_trackings,
    patients,
    prestations,
)
from patient_visit_engine.storage.tickets import find_ticket_holders, read_tickets
from patient_visit_engine.visit.codes import (
    CLOSED_STATUSES,
)
from patient_visit_engine.wire import worklist_bodies
from patient_visit_engine.wire.search_words import typed_words

#: The columns that a search reads, and an item shows.
SEARCHED = (
    *IDENTITY_COLUMNS,
    doctors.c.name.label("doctor"),
    prestations.c.name.label("prestation"),
)


def read_worklist(connection: Connection, worklist_filter: WorklistFilter) -> worklist_bodies.Worklist:
    """Read one page of the day.

    Call it in one read transaction, so that the cursor is the last event that these rows include.
    """
    conditions = filter_conditions(connection, worklist_filter)
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
    lines = read_lines(connection, person_ids)
    running = connection.execute(exclusive_consultations(person_ids)).all()
    holders = {(row.person_id, row.doctor_id) for row in running}
    states = patient_states(connection, person_ids, lines, running, worklist_filter.asking_doctor_id)
    arrivals = read_arrivals(connection, worklist_filter.today, person_ids)
    tickets = read_tickets(connection, worklist_filter.day, person_ids)
    is_today, now = worklist_filter.is_today, worklist_filter.now
    calls = read_calls_without_reservation(connection, person_ids, now) if is_today else {}
    return {
        "date": worklist_filter.day.isoformat(),
        "items": [
            {
                **worklist_item(
                    row, trackings.get(row.id), states.get(row.person_id, FREE), tickets.get(row.person_id)
                ),
                "ended_by": ends[row.id].by_name if row.id in ends else None,
                "ended_reason": ends[row.id].reason if row.id in ends else None,
                "present": row.person_id in arrivals,
                "why": why_listed(row, trackings.get(row.id), arrivals, worklist_filter),
                "late_minutes": late_minutes(row, trackings.get(row.id), worklist_filter),
                **shown_calls(row, calls),
                "waiting_for_me": lines.get(row.person_id, []) if (row.person_id, row.doctor_id) in holders else [],
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
    # The order is that of the whole list. Without this, a patient could stand elsewhere when the list is filtered.
    whole_list = replace(worklist_filter, statuses=frozenset(), appointment_ids=None)
    in_order = read_list(connection, filter_conditions(connection, whole_list), worklist_filter.today)
    if found_ids is None and whole_list != worklist_filter:
        found_ids = list(connection.scalars(select(appointments.c.id).where(*conditions)))
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
    columns = (*SEARCHED, prestations.c.exclusive, EXPECTED_MINUTES, shown_room(today).label("room"))
    return _in_order(_joined(select(appointments, patients.c.id.label("person_id"), *columns)))


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
