"""The rules for names and birth dates of real people: what is stored, what is refused, and how a full name is built."""

import re
import unicodedata
from datetime import UTC, date, datetime

#: The longest name of a person, a prestation or a token's subject.
MAX_NAME = 200
#: The first and the last year of any date. Python can compute the day before and after each of these
#: dates, in every time zone.
FIRST_YEAR, LAST_YEAR = 1800, 2200

#: They turn the order of the letters around, so that a name looks like another one: U+202A to U+202E, U+2066 to U+2069.
DIRECTION_OVERRIDES = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
#: Letters and symbols that fonts draw as an empty space: the fillers of Hangul, the empty Braille pattern, and more.
BLANK_SYMBOLS = frozenset("\u115f\u1160\u3164\uffa0\u2800\U00013441\U00013442\U0001d159")
#: Code points that Unicode will never give to a character. They are of category Cn.
NONCHARACTERS = frozenset(
    map(
        chr,
        (*range(0xFDD0, 0xFDF0), *(plane + last for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))),
    )
)
#: Code points that are reserved for invisible characters. The others of category Cn are letters of a newer Unicode.
RESERVED_INVISIBLE = re.compile("[\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]")
#: Controls, formats, halves of surrogate pairs, marks without a letter, and spaces.
INVISIBLE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Me", "Mn", "Zl", "Zp", "Zs"))

PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC), so that equal names are equal texts."""
    return unicodedata.normalize("NFC", text)


def check_name(name: str) -> str:
    """The name. A ValueError when it looks empty, or has a character that can make it look like another name."""
    if len(name) > MAX_NAME:
        # The composed form of some letters is longer than what was sent.
        raise ValueError(f"must have at most {MAX_NAME} characters in Unicode's composed form (NFC)")
    if any(character in DIRECTION_OVERRIDES for character in name):
        raise ValueError("characters that change the text direction are not allowed: U+202A-202E and U+2066-2069")
    if not any(map(_is_visible, name)):
        raise ValueError("must have a visible character")
    return name


def _is_visible(character: str) -> bool:
    return not (
        unicodedata.category(character) in INVISIBLE_CATEGORIES
        or character in BLANK_SYMBOLS
        or character in NONCHARACTERS
        or RESERVED_INVISIBLE.match(character)
    )


def full_name(first_name: str | None, last_name: str | None) -> str:
    """The given names, joined by one space. Many people have one name only."""
    return " ".join(name for name in (first_name, last_name) if name)


def check_moment(at: datetime) -> datetime:
    """The moment in UTC, in which it is stored and shown. A ValueError when its year is too early or too late there."""
    try:
        moment = at.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years of the calendar") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"must be from {FIRST_YEAR} to {LAST_YEAR} in UTC")
    return moment


def check_partial_date(text: str) -> str:
    """The date, of which only the year or the month may be known. A ValueError when the calendar does not have it."""
    parts = PARTIAL_DATE.fullmatch(text)
    if parts is None or not FIRST_YEAR <= int(parts[1]) <= LAST_YEAR:
        raise ValueError(f"must be YYYY, YYYY-MM or YYYY-MM-DD, from {FIRST_YEAR} to {LAST_YEAR}")
    try:
        date(int(parts[1]), int(parts[2] or 1), int(parts[3] or 1))
    except ValueError:
        raise ValueError("must be a date of the calendar") from None
    return text
