"""The search for a person: by words of names, birth date and record number, and by ticket, among a million patients."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select

from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind, find_record
from patient_visit_engine.storage.master_data.record_bodies import read_bodies
from patient_visit_engine.storage.screens.record_pages import MAX_MATCHES, page_members, page_of
from patient_visit_engine.storage.tables import patient_search_words, patients
from patient_visit_engine.storage.tickets import find_ticket_holders
from patient_visit_engine.wire import master_data_bodies
from patient_visit_engine.wire.patient_identity import PatientIdentity
from patient_visit_engine.wire.search_words import matches

#: Several words of one patient can begin alike. So a search reads more words than it lists patients.
WORDS_READ = 4 * MAX_MATCHES
#: Two words that are both more frequent than this count as equally frequent.
COUNTED_WORDS = 10_000
#: No word has this character, so it comes after every word with one beginning.
LAST_CHARACTER = "\U0010ffff"
#: The words of a search that are tickets, by the person who has them.
TicketHolders = Mapping[int, set[str]]


@dataclass(frozen=True)
class PatientQuery:
    """Which patients to list. `words` are beginnings of folded words. None stands for no search, and lists all patients.

    `birth_date` may be only a year or a month. With an identifier, only the patient who has it can be listed.
    A ticket of `today` is a word of the person who has it.
    """

    page: int
    today: date
    words: tuple[str, ...] | None = None
    birth_date: str | None = None
    identifier: Identifier | None = None


def search_patients(connection: Connection, query: PatientQuery) -> master_data_bodies.Patients:
    """Read one page of the patients who have all the words, in the order of the rarest word, then of the id.

    Those who are found by their tickets come first. A retired record with the words lists its survivor, once.
    """
    holders = find_ticket_holders(connection, query.today, query.words or ())
    if query.identifier is None:
        ids, more = _matching_ids(connection, query)
        ids = list(dict.fromkeys([*_listed_persons(connection, query, holders, holders), *ids]))
        ids, more = ids[:MAX_MATCHES], more or len(ids) > MAX_MATCHES
    else:
        ids, more = _identified_ids(connection, query, query.identifier, holders), False
    items = read_bodies(connection, RecordKind.patient, page_of(ids, query.page))
    page = page_members(query.page, len(ids), more=more)
    return {"items": cast(list[master_data_bodies.StoredPatient], items), **page}


def _identified_ids(
    connection: Connection, query: PatientQuery, identifier: Identifier, holders: TicketHolders
) -> list[int]:
    """The id of the patient who has the identifier, if one record of this patient also has the words and the birth date."""
    record_id = find_record(connection, RecordKind.patient, identifier)
    person_id = connection.scalar(select(patients.c.person_id).where(patients.c.id == record_id))
    return [] if person_id is None else _listed_persons(connection, query, [person_id], holders)


def _listed_persons(
    connection: Connection, query: PatientQuery, person_ids: Collection[int], holders: TicketHolders
) -> list[int]:
    """Those of these persons of whom one record, with the tickets of the person, has the words and the birth date."""
    if not person_ids:
        return []
    records = connection.execute(select(patients).where(patients.c.person_id.in_(person_ids))).mappings()
    return sorted({record["person_id"] for record in records if _is_listed(query, record, holders)})


def _is_listed(query: PatientQuery, record: Mapping[Any, Any], holders: TicketHolders) -> bool:
    if query.words == ():
        return False
    words = PatientIdentity.of(record).search_words() | holders.get(record["person_id"], set())
    is_found = query.words is None or matches(query.words, words)
    return is_found and (record["birth_date"] or "").startswith(query.birth_date or "")


def _matching_ids(connection: Connection, query: PatientQuery) -> tuple[list[int], bool]:
    """The ids of at most `MAX_MATCHES` patients in order, and whether there are more."""
    words = query.words
    if query.birth_date is not None:
        words = (*(words or ()), query.birth_date)
    elif words == ():
        # Only signs were typed. No patient has such a word.
        return [], False
    if words is None:
        is_survivor = patients.c.id == patients.c.person_id
        statement = select(patients.c.id).where(is_survivor).order_by(patients.c.id).limit(MAX_MATCHES + 1)
    else:
        statement = matching_words(_rarest_first(connection, words), query.birth_date)
    rows = connection.scalars(statement).all()
    ids = list(dict.fromkeys(rows))
    return ids[:MAX_MATCHES], len(ids) > MAX_MATCHES or len(rows) == WORDS_READ


def _rarest_first(connection: Connection, words: tuple[str, ...]) -> list[str]:
    """The words, the rarest first. Its patients are read, and the index is asked for their other words."""
    # The words that begin with one letter are too many to count. So a letter only filters the patients who have the longer words.
    letters = [word for word in words if len(word) == 1]
    if 0 < len(letters) < len(words):
        return [*_rarest_first(connection, tuple(word for word in words if len(word) > 1)), *letters]
    if len(words) == 1:
        return [*words]
    counts = [
        select(func.count())
        .select_from(
            select(literal(1)).where(_begins(patient_search_words.c.word, word)).limit(COUNTED_WORDS).subquery()
        )
        .scalar_subquery()
        for word in words
    ]
    row = connection.execute(select(*counts)).one()
    # Of two frequent words the longer one is usually the rarer one.
    by_count = sorted(zip(row, words, strict=True), key=lambda counted: (counted[0], -len(counted[1])))
    return [word for _, word in by_count]


def matching_words(words: list[str], birth_date: str | None) -> Select[Any]:
    """The survivors of the records that have a word with each of these beginnings, in the order of the first one's words."""
    first, *others = words
    matched = patient_search_words.alias("matched")
    conditions = [_begins(matched.c.word, first)]
    for number, beginning in enumerate(others):
        other = patient_search_words.alias(f"other_{number}")
        has_word = select(other.c.word).where(
            other.c.patient_id == matched.c.patient_id, _begins(other.c.word, beginning)
        )
        if len(beginning) == 1 < len(first):
            # Not EXISTS: PostgreSQL would turn it into a join, and read every word with this letter.
            conditions.append(has_word.limit(1).scalar_subquery().is_not(None))
        else:
            conditions.append(has_word.exists())
    if birth_date is not None:
        # The same text may be a record number.
        born = select(patients.c.id).where(patients.c.id == matched.c.patient_id)
        # Not by the order of the texts: it is that of the database's language, which can put "1980-02" after LAST_CHARACTER.
        conditions.append(born.where(patients.c.birth_date.startswith(birth_date)).exists())
    # Not a join: a database then looks up only the records that it returns.
    survivor = select(patients.c.person_id).where(patients.c.id == matched.c.patient_id).scalar_subquery()
    query = select(survivor).where(*conditions)
    return query.order_by(matched.c.word, matched.c.patient_id).limit(WORDS_READ)


def _begins(column: ColumnElement[Any], beginning: str) -> ColumnElement[bool]:
    return (column >= beginning) & (column < beginning + LAST_CHARACTER)
