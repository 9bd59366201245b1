"""The folded words by which patients are found, for the patients that exist."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
WORD = sa.String(60).with_variant(sa.String(60, collation="C"), "postgresql")
# Patients whose words are in memory at one time.
BATCH = 2_000


def upgrade() -> None:
    words = op.create_table(
        "patient_search_words",
        sa.Column("word", WORD, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("word", "patient_id"),
        sqlite_with_rowid=False,
    )
    for batch in _batches():
        rows = [{"word": word, "patient_id": row.id} for row in batch for word in sorted(_patient_words(row))]
        if rows:
            op.get_bind().execute(sa.insert(words), rows)
    # After the rows, because one sort of all is faster than a place for each.
    op.create_index("patient_search_words_by_patient", "patient_search_words", ["patient_id", "word"])


def downgrade() -> None:
    op.drop_table("patient_search_words")


def _batches() -> Iterator[list[Any]]:
    columns: list[Any] = [sa.column(name) for name in ("id", "first_name", "last_name", "birth_date", "record_number")]
    query = sa.select(*columns).select_from(sa.table("patients")).order_by(columns[0]).limit(BATCH)
    last_id = 0
    while batch := list(op.get_bind().execute(query.where(columns[0] > last_id))):
        yield batch
        last_id = batch[-1].id


def _patient_words(row: Any) -> frozenset[str]:
    words: set[str] = set()
    for name in (row.first_name, row.last_name):
        folded = fold(name or "")
        words |= _limited([*_split(folded.replace("'", "")), *_split(folded)])
        # A word that looks like a date stays together.
        words |= {part for part in re.split(r"[\s,;]+", folded) if DATE.fullmatch(part)}
    if row.birth_date:
        words.add(row.birth_date)
    if row.record_number:
        folded = "".join(fold(row.record_number).split())
        parts = _split(folded)
        words |= _limited([folded, "".join(parts), *parts])
    return frozenset(words)


# The folding, as it was when this revision was written.
# The longest stored word. A longer one is found by its first characters.
MAX_WORD = 60

# These are one letter, and a word may leave it out: O'Grady, O\u2019Grady and OGrady are found by each other.
APOSTROPHES = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u055a\u05f3\u07f4\u07f5\u2018\u2019\u201b\u2032\ua78b\ua78c\uff07"
# Letters that have no decomposition in Unicode, and forms of a letter that people do not tell apart.
SPELLINGS = {
    "\u0131": "i",
    "\u0237": "j",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "ð": "d",
    "đ": "d",
    "ɖ": "d",
    "ɗ": "d",
    "þ": "th",
    "ħ": "h",
    "ł": "l",
    "ŋ": "n",
    "ŧ": "t",
    "ƙ": "k",
    "ƴ": "y",
    "ɓ": "b",
    "ɔ": "o",
    "ɛ": "e",
    # Arabic: tatweel only makes a word longer. Alef, yeh, heh and kaf have several forms. Hamza above or below is a mark.
    "\u0640": "",
    "\u0671": "\u0627",
    "\u0649": "\u064a",
    "\u06cc": "\u064a",
    "\u0629": "\u0647",
    "\u06a9": "\u0643",
}
_SPELLINGS = str.maketrans(SPELLINGS)
_APOSTROPHES = str.maketrans(dict.fromkeys(APOSTROPHES, "'"))
# Categories of the characters that make up a word: letters, marks, numbers, and symbols such as an emoji. Others separate words.
WORD_CATEGORIES = ("L", "M", "N", "So")
# Letters of a newer Unicode, and private ones: rare Chinese characters of names are in both.
UNKNOWN_LETTERS = ("Cn", "Co")
DATE = re.compile(r"\d{4}-\d{2}(?:-\d{2})?", re.ASCII)


def fold(text: str) -> str:
    """The text without what people leave out when they search: case, accents, vowel signs, and forms of a letter."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES).casefold())
    return "".join(map(_fold_character, decomposed.casefold())).translate(_SPELLINGS).translate(_APOSTROPHES)


def _fold_character(character: str) -> str:
    category = unicodedata.category(character)
    # A mark with a combining class stands on a letter, such as an accent. The vowel signs of India have none, and stay.
    if category == "Cf" or (category == "Mn" and (unicodedata.combining(character) or _is_selector(character))):
        return ""
    return str(unicodedata.decimal(character)) if category == "Nd" else character


def _is_selector(character: str) -> bool:
    """Whether the mark only selects the form of the character before it."""
    return character in "\u034f\u180b\u180c\u180d" or "\ufe00" <= character <= "\ufe0f" or character >= "\U000e0100"


def _split(folded: str) -> list[str]:
    return "".join(character if _is_in_word(character) else " " for character in folded).split()


def _is_in_word(character: str) -> bool:
    category = unicodedata.category(character)
    code = ord(character)
    # Unicode will never give these to a character.
    is_noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return (category in UNKNOWN_LETTERS and not is_noncharacter) or category.startswith(WORD_CATEGORIES)


def _limited(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word[:MAX_WORD] for word in words if word)
