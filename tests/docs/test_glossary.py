"""A public class that other modules use has its name from `docs/glossary.md`, or is a standard term."""

import ast
import re
from pathlib import Path

from tests.support.pages import DOCS, PACKAGES, ROOT, rows
from tests.support.used_names import used_names

PAGE = DOCS / "glossary.md"
#: Words of the trade that end a class name and need no explanation. Keep this list short: 25 words at most.
STANDARD = {
    "body",
    "client",
    "collector",
    "connection",
    "converter",
    "counters",
    "credentials",
    "database",
    "filter",
    "limits",
    "metrics",
    "outcome",
    "port",
    "protocol",
    "query",
    "reader",
    "response",
    "result",
    "role",
    "schema",
    "server",
    "session",
    "settings",
    "status",
    "user",
}


def words_of(term: str) -> str:
    """The term in lower case, with a space for each hyphen, and without a remark in brackets."""
    return re.sub(r"\(.*?\)", "", term).replace("-", " ").strip().lower()


def glossary_terms() -> set[str]:
    """The terms of all first columns; a cell may have several, separated by commas."""
    return {words_of(term) for row in rows(PAGE, "word", "meaning") for term in row[0].split(",")}


def source_files() -> dict[str, Path]:
    """Each module of the engine, by its dotted name."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {_module_name(path): path for path in files}


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("patient_visit_engine", *(part for part in parts if part != "__init__")))


def public_classes(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")}


def classes_used_elsewhere() -> set[str]:
    """The full name of each public class that another module of the engine uses."""
    files = source_files()
    defined = {f"{module}.{name}": module for module, path in files.items() for name in public_classes(path)}
    return {
        name
        for module, path in files.items()
        for name in used_names(path.read_text()) & defined.keys()
        if defined[name] != module
    }


def is_explained(class_name: str, terms: set[str]) -> bool:
    """Whether the class's whole name, its last two words or its last word is a term or a standard word."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", class_name)]
    shorter = words[:-1] if words[-1] == "error" and len(words) > 1 else words
    phrases = {" ".join(words), " ".join(shorter), " ".join(shorter[-2:]), shorter[-1]}
    singular = {phrase.removesuffix("s") for phrase in phrases}
    return bool((phrases | singular) & (terms | STANDARD))


def test_finds_classes_and_terms() -> None:
    assert "patient_visit_engine.visit.state.WaitingDoctor" in classes_used_elsewhere()
    assert {"check in", "patient day", "waiting line"} <= glossary_terms()


def test_rejects_class_that_no_line_explains() -> None:
    assert not is_explained("TrackingWidget", glossary_terms())
    assert is_explained("OvertakenError", glossary_terms())


def test_list_of_standard_words_stays_short() -> None:
    assert len(STANDARD) <= 25


def test_classes_used_elsewhere_are_explained() -> None:
    terms = glossary_terms()
    classes = sorted(classes_used_elsewhere())

    unexplained = [name for name in classes if not is_explained(name.rpartition(".")[2], terms)]

    assert unexplained == []
