"""Documents, docstrings and comments have no old-fashioned words."""

import ast
import io
import re
import shutil
import tokenize
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support.pages import ROOT, tracked

OLD_FASHIONED = re.compile(
    r"\b(anew|whoever|whichever|whatever|nobody|thereof|lest|hence|upon|meanwhile|told|tells of|in place of|of its own"
    r"|of their own|for good|as it stands|has it that)\b",
    re.IGNORECASE,
)

pytestmark = pytest.mark.skipif(not ((ROOT / ".git").exists() and shutil.which("git")), reason="needs git, and a clone")


def tracked_files(ending: str) -> list[Path]:
    """The tracked files with this ending; links are left out, since each file is read once."""
    names = (name for name in sorted(tracked()) if name.endswith(ending) and not name.startswith("dev/"))
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def comments_and_docstrings(source: str) -> str:
    """The text of a Python file that is written for people."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts = [token.string for token in tokens if token.type == tokenize.COMMENT]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, documented))
    return "\n".join([*texts, *(ast.get_docstring(node) or "" for node in nodes)])


def text_of_document(path: Path) -> str:
    return path.read_text()


def text_of_module(path: Path) -> str:
    return comments_and_docstrings(path.read_text())


def old_fashioned_words(paths: Iterable[Path], read: Callable[[Path], str]) -> list[str]:
    """Each old-fashioned word of the files, after the name of its file."""
    return [f"{path.relative_to(ROOT)}: {word}" for path in paths for word in OLD_FASHIONED.findall(read(path))]


def test_finds_phrases_and_ignores_code() -> None:
    source = '"""Nobody is told."""\n\nwhatever = "hence"  # of its own\n'

    assert OLD_FASHIONED.findall(comments_and_docstrings(source)) == ["of its own", "Nobody", "told"]


def test_documents_use_everyday_words() -> None:
    assert old_fashioned_words(tracked_files(".md"), text_of_document) == []


def test_docstrings_and_comments_are_plain() -> None:
    assert old_fashioned_words(tracked_files(".py"), text_of_module) == []
