"""Values have nouns that say what they are. These words say nothing, so no variable, parameter or function has one as its name."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.structure.layout import ROOT
from tests.support.pages import tracked

BANNED = frozenset({"told", "found", "one", "mine", "wanted", "asked", "kept", "begun"})


def assigned_names(path: Path) -> Iterator[tuple[int, str]]:
    """Each name that the file gives to a value or a function, with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case _:
                pass


def test_no_value_has_a_name_without_meaning() -> None:
    files = [name for name in tracked() if name.endswith(".py") and not name.startswith("dev/")]

    banned = [
        f"{name}:{line} {assigned}"
        for name in files
        for line, assigned in assigned_names(ROOT / name)
        if assigned.lstrip("_") in BANNED
    ]

    assert banned == []
