"""Finds names that begin like a setting and are none: misspelled ones, which would otherwise have no effect."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

PREFIX = "VISIT_"
#: A name that differs from a setting by this many letters or fewer is taken for a misspelled one.
MISSPELLED_LETTERS = 2


@dataclass(frozen=True)
class CheckedNames:
    """Lines about names that must stop the start, and names that have no effect."""

    errors: list[str]
    ignored: list[str]


def check_names(settings: Collection[str], *, in_env_file: Iterable[str], elsewhere: Iterable[str]) -> CheckedNames:
    """Check the names in `.env`, and those in the environment and the folder of secrets. Settings ignore case.

    Every unknown name in `.env` is an error, because the file is ours. Elsewhere, only a misspelled one is: other programs may use the
    same prefix.
    """
    errors, ignored = [], []
    for name in _unknown(in_env_file, settings):
        nearest = nearest_setting(name, settings)
        remedy = f"use {nearest}" if nearest else "remove it; docs/settings.md lists all settings"
        errors.append(f"{name}: not a setting (in .env): {remedy}")
    for name in _unknown(elsewhere, settings):
        nearest = nearest_setting(name, settings)
        if nearest is None:
            ignored.append(name)
        else:
            errors.append(f"{name}: not a setting: use {nearest}")
    return CheckedNames(errors, ignored)


def _unknown(names: Iterable[str], settings: Collection[str]) -> list[str]:
    return sorted({name.upper() for name in names if name.upper().startswith(PREFIX)} - set(settings))


def nearest_setting(name: str, settings: Iterable[str]) -> str | None:
    """The setting that the name is probably meant to be, or None when no setting is near."""
    distances = {setting: count_edits(name, setting) for setting in settings}
    nearest = min(distances, key=lambda setting: (distances[setting], setting))
    return nearest if distances[nearest] <= MISSPELLED_LETTERS else None


def count_edits(first: str, second: str) -> int:
    """The letters to insert, delete or replace, and the neighbours to swap, that turn one word into the other."""
    before_last: list[int] = []
    last = list(range(len(second) + 1))
    for row, letter in enumerate(first, 1):
        current = [row]
        for column, other in enumerate(second, 1):
            edits = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == second[column - 2] and other == first[row - 2]:
                edits = min(edits, before_last[column - 2] + 1)
            current.append(edits)
        before_last, last = last, current
    return last[-1]
