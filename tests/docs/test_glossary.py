"""Each public class that other modules use has a line in `docs/glossary.md`, or a standard name."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.pages import DOCS, PACKAGES, ROOT, rows
from tests.support.used_names import used_names

PAGE = DOCS / "glossary.md"
#: Class names that need no explanation. Keep this list short: 10 names at most.
STANDARD = {"credentials", "database", "metrics", "port", "settings"}
#: Words that may follow a term in a class name. `docs/glossary.md` says what each means.
ENDINGS = {"answer", "error"}


def words_of(term: str) -> str:
    """The term in lower case, with a space for each hyphen, and without a remark in brackets."""
    return re.sub(r"\(.*?\)", "", term).replace("-", " ").strip().lower()


def glossary_terms() -> set[str]:
    """The terms of all first columns; a cell may have several, separated by commas."""
    return {words_of(term) for row in rows(PAGE, "word", "meaning") for term in row[0].split(",")}


def source_files() -> dict[str, Path]:
    """Each module of the engine and of its benchmarks, by its dotted name."""
    files = [path for folder in (*PACKAGES, "bench") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {_module_name(path): path for path in files}


def _module_name(path: Path) -> str:
    parts = [part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__"]
    return ".".join(parts if parts[0] == "bench" else ["patient_visit_engine", *parts])


def public_classes(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")}


@cache
def classes_used_elsewhere() -> set[str]:
    """The full name of each public class that another module uses."""
    files = source_files()
    defined = {f"{module}.{name}": module for module, path in files.items() for name in public_classes(path)}
    return {
        name
        for module, path in files.items()
        for name in used_names(path.read_text()) & defined.keys()
        if defined[name] != module
    }


def is_explained(class_name: str, terms: set[str]) -> bool:
    """Whether the whole name, or the name without its ending, is a term or a standard name. Singular and plural are the same."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", class_name)]
    without_ending = words[:-1] if words[-1] in ENDINGS else words
    singular_terms = {term.removesuffix("s") for term in terms | STANDARD}
    return any(" ".join(name).removesuffix("s") in singular_terms for name in (words, without_ending))


def test_finds_classes_and_terms() -> None:
    assert "patient_visit_engine.visit.facts.WaitingDoctor" in classes_used_elsewhere()
    assert {"check in", "patient day", "waiting line"} <= glossary_terms()


@pytest.mark.parametrize(
    "class_name",
    ["TrackingWidget", "FooHandOver", "VisitBeacon", "NightLedger", "BoardReader", "QuietSession", "HandOverError"],
)
def test_rejects_class_without_a_line(class_name: str) -> None:
    assert not is_explained(class_name, glossary_terms())


@pytest.mark.parametrize(
    "class_name", ["Ledger", "SqlLedger", "Sessions", "OvertakenError", "TrackingAnswer", "Settings"]
)
def test_accepts_class_with_a_line(class_name: str) -> None:
    assert is_explained(class_name, glossary_terms())


def test_list_of_standard_names_stays_short() -> None:
    assert len(STANDARD) <= 10
    assert len(ENDINGS) <= 3


def test_classes_used_elsewhere_are_explained() -> None:
    terms = glossary_terms()
    classes = sorted(classes_used_elsewhere())

    unexplained = [name for name in classes if not is_explained(name.rpartition(".")[2], terms)]

    assert unexplained == []
