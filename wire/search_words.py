"""Folds names, birth dates and record numbers to the words of a search, and what a person types too.

The stored words of patients (`patient_search_words`) follow from these rules. A change of the rules needs a migration that writes the
words again.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from patient_visit_engine.wire.person_names import NONCHARACTERS

#: The most words of one search for patients.
MAX_SEARCH_WORDS = 10
#: The longest stored word. A longer one is found by its first characters.
MAX_WORD = 60

#: These are one letter, and a word may leave it out: O'Grady, O\u2019Grady and OGrady are found by each other.
APOSTROPHES = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u055a\u05f3\u07f4\u07f5\u2018\u2019\u201b\u2032\ua78b\ua78c\uff07"
#: Letters that have no decomposition in Unicode, and forms of a letter that people do not tell apart.
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
#: Categories of the characters that make up a word: letters, marks, numbers, and symbols such as an emoji. Others separate words.
WORD_CATEGORIES = ("L", "M", "N", "So")
#: Letters of a newer Unicode, and private ones: rare Chinese characters of names are in both.
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


def typed_words(text: str) -> tuple[str, ...]:
    """The words of a search, as a person typed them. Each must be the beginning of a word of the record."""
    words: list[str] = []
    for part in re.split(r"[\s,;]+", fold(text)):
        if DATE.fullmatch(part):
            words.append(part)
        else:
            words += _split(part.replace("'", ""))
    return tuple(dict.fromkeys(word[:MAX_WORD] for word in words))


@lru_cache(maxsize=4_096)
def name_words(name: str) -> frozenset[str]:
    """The words by which this name is found. O'Grady is found as "ogrady", and as "grady"."""
    return _limited([*typed_words(name), *_split(fold(name))])


def patient_words(
    first_name: str | None, last_name: str | None, birth_date: str | None, record_number: str | None
) -> frozenset[str]:
    """The words by which a patient is found."""
    words: set[str] = set()
    for name in (first_name, last_name):
        words |= name_words(name or "")
    if birth_date:
        words.add(birth_date)
    if record_number:
        folded = "".join(fold(record_number).split())
        parts = _split(folded)
        # With the signs between its parts or without them: "MRN-0012", "MRN 0012" and "MRN0012".
        words |= _limited([folded, "".join(parts), *parts])
    return frozenset(words)


def matches(typed: Iterable[str], words: Iterable[str]) -> bool:
    """Whether each typed word is the beginning of one of the words."""
    searched = tuple(words)
    return all(any(word.startswith(beginning) for word in searched) for beginning in typed)


def _split(folded: str) -> list[str]:
    return "".join(character if _is_in_word(character) else " " for character in folded).split()


def _is_in_word(character: str) -> bool:
    category = unicodedata.category(character)
    # The search needs a character that is in no word, see `storage.screens.patient_search.LAST_CHARACTER`.
    is_unknown_letter = category in UNKNOWN_LETTERS and character not in NONCHARACTERS
    return is_unknown_letter or category.startswith(WORD_CATEGORIES)


def _limited(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word[:MAX_WORD] for word in words if word)
