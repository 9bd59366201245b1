"""The timeline of a patient's day, read in pages from the newest entry to the oldest."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import Connection, Row, Table, select

from patient_visit_engine.storage.tables import (
    accounts,
    appointments,
    callers,
    doctors,
    patients,
    prestations,
    timeline,
)
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.wire import screens

#: How many entries one page lists at most. A client that sends requests in a loop must not make an answer endless.
TIMELINE_PAGE = 200
#: The other doctors in an entry: the holder who caused a refusal, and the one who got an appointment.
NAMED_DOCTORS = ("active_doctor", "to_doctor")


@dataclass(frozen=True)
class TimelineQuery:
    """One page of a person's day: the newest entries, or those written before the entry with the id `before`."""

    person_id: int
    day: date
    with_callers: bool
    before: int | None


@dataclass(frozen=True)
class TimelinePage:
    """The entries of one page, oldest first. `older` is the `before` of the next older page, None when there is none."""

    entries: list[screens.TimelineEntry]
    older: int | None


def read_timeline(connection: Connection, query: TimelineQuery) -> TimelinePage:
    """One page. An entry that is written between two reads is in neither an older page nor a page that was read."""
    # Read first, and not as a subquery: a database then reads the newest entries of one record in the order of the index.
    records = connection.scalars(select(patients.c.id).where(patients.c.person_id == query.person_id)).all()
    of_person = timeline.c.patient_id == records[0] if len(records) == 1 else timeline.c.patient_id.in_(records)
    statement = (
        select(
            timeline,
            doctors.c.name.label("doctor"),
            prestations.c.name.label("prestation"),
            callers.c.created_by.label("by"),
            callers.c.subject,
        )
        .outerjoin(doctors, doctors.c.id == timeline.c.doctor_id)
        .outerjoin(appointments, appointments.c.id == timeline.c.appointment_id)
        .outerjoin(prestations, prestations.c.id == appointments.c.prestation_id)
        .outerjoin(callers, callers.c.id == timeline.c.caller_id)
        .where(of_person, timeline.c.visit_day == query.day)
        .order_by(timeline.c.id.desc())
        # One more than the page has, to know whether there is an older one.
        .limit(TIMELINE_PAGE + 1)
    )
    if query.before is not None:
        statement = statement.where(timeline.c.id < query.before)
    newest_first = list(connection.execute(statement))
    rows = newest_first[:TIMELINE_PAGE][::-1]
    entries = [_timeline_entry(row) for row in rows]
    _add_doctor_names(connection, entries)
    if query.with_callers:
        _add_callers(connection, entries, rows)
    older = rows[0].id if len(newest_first) > TIMELINE_PAGE else None
    return TimelinePage(cast(list[screens.TimelineEntry], entries), older)


def _timeline_entry(row: Row[Any]) -> dict[str, Any]:
    particulars: dict[str, Any] = json.loads(row.particulars)
    if row.refusals is not None:
        particulars |= {"refusals": row.refusals, "last_at": to_rfc3339(row.last_at)}
    entry: screens.TimelineEntry = {
        "at": to_rfc3339(row.at),
        "event": row.event,
        "doctor_id": row.doctor_id,
        "doctor": row.doctor,
        "appointment_id": row.appointment_id,
        "prestation": row.prestation,
        "consultation_id": row.consultation_id,
    }
    return particulars | entry


def _add_doctor_names(connection: Connection, entries: list[dict[str, Any]]) -> None:
    named = [(entry, name) for entry in entries for name in NAMED_DOCTORS if f"{name}_id" in entry]
    names = _read_names(connection, doctors, {entry[f"{name}_id"] for entry, name in named})
    for entry, name in named:
        entry[name] = names.get(entry[f"{name}_id"])


def _add_callers(connection: Connection, entries: list[dict[str, Any]], rows: list[Row[Any]]) -> None:
    account_ids = [_account_id(row) for row in rows]
    names = _read_names(connection, accounts, {account_id for account_id in account_ids if account_id is not None})
    for entry, row, account_id in zip(entries, rows, account_ids, strict=True):
        entry |= {"by": row.by, "by_name": None if account_id is None else names.get(account_id), "reason": row.reason}


def _account_id(row: Row[Any]) -> int | None:
    """The id of the account that sent the request. A bearer token has only its subject."""
    kind, _, number = (row.subject or "").partition(":")
    return int(number) if kind == "account" and number.isdecimal() else None


def _read_names(connection: Connection, table: Table, ids: set[int]) -> dict[int, str]:
    return {row.id: row.name for row in connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(ids)))}
