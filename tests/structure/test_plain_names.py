"""Values and modules have nouns that say what they are. Words that say nothing are no names."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import pytest

from tests.support.layout import ROOT
from tests.support.pages import tracked

#: No variable, parameter or function has one of these names.
BANNED = frozenset({"told", "found", "one", "mine", "wanted", "asked", "kept", "begun"})


#: No module and no folder of modules has one of these names.
BANNED_MODULES = frozenset({"utils", "helpers", "common", "base", "manager", "service", "misc", "data", "info"})
SOURCES = frozenset({".py", ".ts", ".vue", ".mjs", ".js", ".css"})


def assigned_names(source: str) -> Iterator[tuple[int, str]]:
    """Each name that the source gives to a value or a function, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                yield node.lineno, name
            case _:
                pass


def banned_modules(names: Iterable[str]) -> list[str]:
    """The source files that have a banned name, or are in a folder with one."""
    paths = [PurePosixPath(name) for name in names]
    return sorted(
        path.as_posix()
        for path in paths
        if path.suffix in SOURCES and BANNED_MODULES & {*path.parts[:-1], path.name.partition(".")[0]}
    )


def test_no_value_has_a_name_without_meaning() -> None:
    files = [name for name in tracked() if name.endswith(".py") and not name.startswith("dev/")]

    banned = [
        f"{name}:{line} {assigned}"
        for name in files
        for line, assigned in assigned_names((ROOT / name).read_text())
        if assigned.lstrip("_") in BANNED
    ]

    assert banned == []


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "def found(): ...",
        "def load(found): ...",
        "row.found = 1",
        "for found in rows: ...",
        "with row as found: ...",
        "[found for found in rows]",
        "(found := 1)",
        "try: ...\nexcept OSError as found: ...",
        "match row:\n    case found: ...",
        "match row:\n    case str() as found: ...",
        "match row:\n    case [_, *found]: ...",
        "match row:\n    case {'id': _, **found}: ...",
    ],
)
def test_finds_name_that_source_assigns(source: str) -> None:
    assert "found" in {name for _, name in assigned_names(source)}


def test_no_module_has_a_name_without_meaning() -> None:
    assert banned_modules(tracked()) == []


def test_finds_banned_module_names() -> None:
    banned = ["api/utils.py", "tests/helpers/visits.py", "web/page/src/base.css", "web/stream/test/data.spec.ts"]

    assert banned_modules([*banned, "storage/master_data.py", "docs/data.md", "cli/database.py"]) == banned
