"""Date patterns of a map: which directives are possible, and how a text is read with them."""

import re
from datetime import datetime

#: What a pattern can contain. `%Z` is missing, because Python reads the name of a zone and ignores it.
DIRECTIVES = frozenset("YymdbBHIMSfpzaA%")
DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
#: Two directives without a separator. Without leading zeros their texts have several meanings.
ADJACENT = re.compile(r"%[YymdHIMSf]%[YymdHIMSf]")
#: A number with this pattern has lost no leading zero.
BEGINS_WITH_YEAR = "%Y"


def directives(pattern: str) -> frozenset[str]:
    """The letters after the percent signs."""
    return frozenset(DIRECTIVE.findall(pattern)) - {"%"}


def check_pattern(pattern: str) -> None:
    """Raise a ValueError when no text can be read with the pattern."""
    letters = frozenset(DIRECTIVE.findall(pattern))
    if wrong := sorted(letters - DIRECTIVES):
        hint = ": use %z for an offset such as +01:00" if "Z" in wrong else ""
        raise ValueError(f"%{wrong[0]} is not supported{hint}. Possible are %{' %'.join(sorted(DIRECTIVES - {'%'}))}")
    if len(DIRECTIVE.findall(pattern)) != len(set(DIRECTIVE.findall(pattern)) - {"%"}) + pattern.count("%%"):
        raise ValueError("has a directive twice")
    if "I" in letters and "p" not in letters:
        raise ValueError("%I needs %p (AM or PM): a day of 24 hours has %H")


def check_date_pattern(pattern: str) -> None:
    """Raise a ValueError when the pattern gives no date of birth: a year, a month or a day."""
    check_pattern(pattern)
    letters = directives(pattern)
    if "y" in letters:
        raise ValueError("%y does not say the century of a birth: the table needs years of four digits (%Y)")
    has_month = bool(letters & set("mbB"))
    if "Y" not in letters or ("d" in letters and not has_month):
        raise ValueError("needs the year (%Y), or year and month (%m), or all of %d, %m and %Y")


def check_moment_pattern(pattern: str, *, needs_time: bool) -> None:
    """Raise a ValueError when the pattern gives no whole date, or no time of day although one is needed."""
    check_pattern(pattern)
    letters = directives(pattern)
    if not (letters & set("Yy") and letters & set("mbB") and "d" in letters):
        raise ValueError("needs day (%d), month (%m) and year (%Y)")
    if needs_time and not letters & set("HI"):
        raise ValueError("needs the time of day, for example %H:%M")


def parse(text: str, pattern: str) -> datetime:
    """The date and time of the text, with a zone if the pattern has one. A ValueError when the text does not fit."""
    value = datetime.strptime(text, pattern)  # noqa: DTZ007 - the pattern says whether it has a zone
    if ADJACENT.search(pattern) and value.strftime(pattern) != text:
        raise ValueError("leading zeros are missing")
    return value


def partial_date(text: str, pattern: str) -> str:
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD`: as much of the date as the pattern has."""
    value = parse(text, pattern)
    letters = directives(pattern)
    if "d" in letters:
        return f"{value.year:04}-{value.month:02}-{value.day:02}"
    return f"{value.year:04}-{value.month:02}" if letters & set("mbB") else f"{value.year:04}"
