"""Documents, docstrings, comments and the page's texts have no old-fashioned words."""

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support.pages import ROOT, tracked
from tests.support.python_texts import comments_and_docstrings

OLD_FASHIONED = re.compile(
    r"\b(anew|whoever|whichever|whatever|nobody|thereof|lest|hence|upon|meanwhile|told|tells of|in place of|of its own"
    r"|of their own|for good|as it stands|has it that)\b",
    re.IGNORECASE,
)
#: A comment of TypeScript, Vue or CSS. A `//` inside an address has a colon before it, and so no space.
WEB_COMMENT = re.compile(r"/\*.*?\*/|<!--.*?-->|(?:^|(?<=\s))//[^\n]*", re.DOTALL | re.MULTILINE)
ENGLISH_TEXTS = ROOT / "web" / "page" / "src" / "messages" / "en.json"

pytestmark = pytest.mark.skipif(not ((ROOT / ".git").exists() and shutil.which("git")), reason="needs git, and a clone")


def tracked_files(ending: str) -> list[Path]:
    """The tracked files with this ending; links are left out, since each file is read once."""
    names = (name for name in sorted(tracked()) if name.endswith(ending) and not name.startswith("dev/"))
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def text_of_document(path: Path) -> str:
    return path.read_text()


def text_of_module(path: Path) -> str:
    return comments_and_docstrings(path.read_text())


def web_comments(source: str) -> str:
    """The comments of a TypeScript, Vue or CSS file."""
    return "\n".join(WEB_COMMENT.findall(source))


def text_of_web_file(path: Path) -> str:
    return web_comments(path.read_text())


def old_fashioned_words(paths: Iterable[Path], read: Callable[[Path], str]) -> list[str]:
    """Each old-fashioned word of the files, after the name of its file."""
    return [f"{path.relative_to(ROOT)}: {word}" for path in paths for word in OLD_FASHIONED.findall(read(path))]


def test_finds_phrases_and_ignores_code() -> None:
    source = '"""Nobody is told."""\n\nwhatever = "hence"  # of its own\n'

    assert OLD_FASHIONED.findall(comments_and_docstrings(source)) == ["of its own", "Nobody", "told"]


def test_finds_comments_of_web_files() -> None:
    source = '/** Nobody\n * is told. */\n.a { }\nconst hence = "https://upon.org"; // of its own\n<!-- lest -->\n'

    assert OLD_FASHIONED.findall(web_comments(source)) == ["Nobody", "told", "of its own", "lest"]


def test_documents_use_everyday_words() -> None:
    assert old_fashioned_words(tracked_files(".md"), text_of_document) == []


def test_docstrings_and_comments_are_plain() -> None:
    assert old_fashioned_words(tracked_files(".py"), text_of_module) == []


@pytest.mark.parametrize("ending", [".ts", ".vue", ".css"])
def test_comments_of_the_page_are_plain(ending: str) -> None:
    files = [path for path in tracked_files(ending) if path.is_relative_to(ROOT / "web")]

    assert files != []
    assert old_fashioned_words(files, text_of_web_file) == []


def test_english_texts_of_the_page_are_plain() -> None:
    assert old_fashioned_words([ENGLISH_TEXTS], text_of_document) == []
