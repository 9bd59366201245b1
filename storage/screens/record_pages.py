"""Reads records as clients see them: one by its id, and pages of doctors and of prestations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from sqlalchemy import Connection, select

from patient_visit_engine.storage.master_data.identifiers import TABLES, Identifier, RecordKind, find_record
from patient_visit_engine.storage.master_data.record_bodies import RecordBody, read_bodies, read_body
from patient_visit_engine.storage.person_records import find_person
from patient_visit_engine.storage.tables import appointments
from patient_visit_engine.wire import master_data_bodies
from patient_visit_engine.wire.search_words import fold, matches, name_words

#: The records on one page.
RECORDS_PER_PAGE = 50
#: The most records that a search lists. With more the search is too wide to be of use.
MAX_MATCHES = 1_000


@dataclass(frozen=True)
class NamedRecordQuery:
    """Which doctors or prestations to list. `words` are beginnings of folded words of the name. None stands for no search."""

    page: int
    today: date
    words: tuple[str, ...] | None = None
    identifier: Identifier | None = None


@dataclass(frozen=True)
class IdentifiedAppointment:
    """The appointment that has an identifier, with its time."""

    id: int
    scheduled_at: datetime


def read_record(connection: Connection, kind: RecordKind, record_id: int, today: date) -> RecordBody | None:
    """The record, or None. The survivor stands for a retired record of a patient."""
    if kind is RecordKind.patient:
        record_id = find_person(connection, record_id) or record_id
    return read_body(connection, kind, record_id, today)


def find_appointment(connection: Connection, identifier: Identifier) -> IdentifiedAppointment | None:
    """The appointment that has this identifier, or None."""
    record_id = find_record(connection, RecordKind.appointment, identifier)
    query = select(appointments.c.id, appointments.c.scheduled_at).where(appointments.c.id == record_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else IdentifiedAppointment(row.id, row.scheduled_at)


def search_doctors(connection: Connection, query: NamedRecordQuery) -> master_data_bodies.Doctors:
    """One page of the doctors who have all the words, in the order of their names."""
    ids = _matching_ids(connection, RecordKind.doctor, query)
    items = read_bodies(connection, RecordKind.doctor, page_of(ids[:MAX_MATCHES], query.page), query.today)
    return {"items": cast(list[master_data_bodies.StoredDoctor], items), **_page(query, ids)}


def search_prestations(connection: Connection, query: NamedRecordQuery) -> master_data_bodies.Prestations:
    """One page of the prestations that have all the words, in the order of their names."""
    ids = _matching_ids(connection, RecordKind.prestation, query)
    items = read_bodies(connection, RecordKind.prestation, page_of(ids[:MAX_MATCHES], query.page))
    return {"items": cast(list[master_data_bodies.StoredPrestation], items), **_page(query, ids)}


def page_of(ids: Sequence[int], page: int) -> Sequence[int]:
    """The ids on this page, counted from 1."""
    first = (page - 1) * RECORDS_PER_PAGE
    return ids[first : first + RECORDS_PER_PAGE]


def page_members(page: int, total: int, *, more: bool) -> master_data_bodies.RecordPage:
    """What each page of records has in addition to its items."""
    return {"page": page, "page_size": RECORDS_PER_PAGE, "total": total, "more": more}


def _page(query: NamedRecordQuery, ids: Sequence[int]) -> master_data_bodies.RecordPage:
    return page_members(query.page, min(len(ids), MAX_MATCHES), more=len(ids) > MAX_MATCHES)


def _matching_ids(connection: Connection, kind: RecordKind, query: NamedRecordQuery) -> list[int]:
    """The ids of all records of this kind that match, in the order of their names.

    The program compares the words, because each database folds letters in its own way. A hospital has some hundred of them.
    """
    table = TABLES[kind]
    rows = connection.execute(select(table.c.id, table.c.name)).all()
    if query.identifier is not None:
        record_id = find_record(connection, kind, query.identifier)
        rows = [row for row in rows if row.id == record_id]
    if query.words is not None:
        typed = query.words
        rows = [row for row in rows if typed and matches(typed, name_words(row.name))]
    return [row.id for row in sorted(rows, key=lambda row: (fold(row.name), row.id))]
