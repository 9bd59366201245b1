"""The search for a person: by words of names, birth date and record number, among a million patients."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select

from patient_visit_engine.storage.tables import patient_search_words, patients
from patient_visit_engine.wire import shapes
from patient_visit_engine.wire.person_names import full_name

#: The patients on one page.
PATIENTS_PER_PAGE = 50
#: The most patients that a search lists. With more the search is too wide to be of use.
MAX_MATCHES = 1_000
#: Several words of one patient can begin alike. So a search reads more words than it lists patients.
WORDS_READ = 4 * MAX_MATCHES
#: Two words that are both more frequent than this count as equally frequent.
COUNTED_WORDS = 10_000
#: No word has this character, so it comes after every word with one beginning.
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class PatientQuery:
    """Which patients to list. `words` are beginnings of folded words. None stands for no search, and lists all patients.

    `birth_date` may be only a year or a month.
    """

    page: int
    words: tuple[str, ...] | None = None
    birth_date: str | None = None


def search_patients(connection: Connection, query: PatientQuery) -> shapes.Patients:
    """Read one page of the patients who have all the words, in the order of the rarest word, then of the id.

    A retired record with the words lists its survivor, once.
    """
    ids, more = _matching_ids(connection, query)
    first = (query.page - 1) * PATIENTS_PER_PAGE
    page_ids = ids[first : first + PATIENTS_PER_PAGE]
    rows = {row.id: row for row in connection.execute(select(patients).where(patients.c.id.in_(page_ids)))}
    return {
        "items": [_item(rows[patient_id]) for patient_id in page_ids],
        "page": query.page,
        "page_size": PATIENTS_PER_PAGE,
        "total": len(ids),
        "more": more,
    }


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
        has_word = select(other.c.word).where(other.c.patient_id == matched.c.patient_id)
        conditions.append(has_word.where(_begins(other.c.word, beginning)).exists())
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


def _item(row: Any) -> shapes.PatientItem:
    return {
        "id": row.id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "name": full_name(row.first_name, row.last_name),
        "birth_date": row.birth_date,
        "sex": row.sex,
        "record_number": row.record_number,
        "version": row.version,
    }
