"""Documents, docstrings and comments use everyday words: old-fashioned ones are rare."""

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
WORD = re.compile(r"[A-Za-z][\w'-]*")
#: In 1,000 words, fewer than this many may be old-fashioned.
LIMIT = 1

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


def count(text: str) -> tuple[int, int]:
    """How many old-fashioned words the text has, and how many words in all."""
    return len(OLD_FASHIONED.findall(text)), len(WORD.findall(text))


def check(paths: Iterable[Path], read: Callable[[Path], str]) -> None:
    """Fail when the files together reach the limit, with the worst files in the message."""
    counts = {path.relative_to(ROOT).as_posix(): count(read(path)) for path in paths}
    old_fashioned = sum(matches for matches, _ in counts.values())
    words = sum(total for _, total in counts.values())
    worst = sorted(((matches, name) for name, (matches, _) in counts.items() if matches), reverse=True)[:10]

    assert old_fashioned * 1_000 < words * LIMIT, f"{old_fashioned} in {words} words; worst files: {worst}"


def test_counts_phrases_and_ignores_code() -> None:
    source = '"""Nobody is told."""\n\nwhatever = "hence"  # of its own\n'

    assert count(comments_and_docstrings(source)) == (3, 6)


def test_documents_use_everyday_words() -> None:
    check(tracked_files(".md"), text_of_document)


def test_docstrings_and_comments_are_plain() -> None:
    check(tracked_files(".py"), text_of_module)
