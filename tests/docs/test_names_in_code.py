"""`module.name` and `Class.member`, in backticks, exist when a docstring or a comment of the engine names them."""

import ast
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.pages import PACKAGES, ROOT
from tests.support.python_texts import comments_and_docstrings
from tests.support.used_names import imported_names

DOTTED = re.compile(r"`(\w+(?:\.\w+)+)(?:\(\))?`")
#: The last part of a file's name, such as `Data.csv`.
FILE_ENDINGS = ("csv", "md", "py", "toml")


@dataclass(frozen=True)
class ClassMembers:
    """What the source of a class says: the names of its bases, and of its members."""

    bases: frozenset[str]
    members: frozenset[str]


def class_members(source: str) -> dict[str, ClassMembers]:
    """The bases, methods, fields and instance attributes of each class in the source."""
    return {
        node.name: ClassMembers(
            frozenset(base.id for base in node.bases if isinstance(base, ast.Name)),
            frozenset(name for inner in ast.walk(node) if (name := _member_name(inner))),
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
    }


def _member_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) else None


def has_member(class_name: str, member: str, classes: Mapping[str, ClassMembers]) -> bool:
    if (owner := classes.get(class_name)) is None:
        return False
    return member in owner.members or any(has_member(base, member, classes) for base in owner.bases)


def exists(dotted: str, classes: Mapping[str, ClassMembers], imported: set[str]) -> bool:
    """Whether the name exists. A name that is neither a module of ours nor a class, such as an event's name, counts as existing."""
    first, second, *_ = dotted.split(".")
    if first in PACKAGES:
        try:
            pkgutil.resolve_name(f"patient_visit_engine.{dotted}")
        except (ImportError, AttributeError):
            return False
        return True
    is_ours = first[0].isupper() and second not in FILE_ENDINGS and (first in classes or first not in imported)
    return not is_ours or has_member(first, second, classes)


def missing_names(source: str, classes: Mapping[str, ClassMembers]) -> list[str]:
    imported = {name.rpartition(".")[2] for name in imported_names(source)}
    named = DOTTED.findall(comments_and_docstrings(source))
    return [dotted for dotted in named if not exists(dotted, classes, imported)]


def test_finds_missing_names_only() -> None:
    source = '''"""`visit.policy.decide`, `visit.policy.undecided`, `visit.nothing`."""
from httpx import Response
class Queue(Line):
    """`Queue.add()`, `Queue.size`, `Queue.clear`, `Queue.drop`, `Response.text`, `Gone.run`, `patient.updated`, `Data.csv`."""
    limit: int
    def add(self): self.size = 1  # `Queue.limit`
class Line:
    def clear(self): ...
'''

    assert sorted(missing_names(source, class_members(source))) == [
        "Gone.run",
        "Queue.drop",
        "visit.nothing",
        "visit.policy.undecided",
    ]


def test_names_in_docstrings_and_comments_exist() -> None:
    sources = {
        str(path.relative_to(ROOT)): path.read_text()
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    classes = {name: members for source in sources.values() for name, members in class_members(source).items()}

    missing = {path: names for path, source in sources.items() if (names := missing_names(source, classes))}

    assert missing == {}
