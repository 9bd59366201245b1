"""The documentation as tests read it: its pages, their code, tables, headings and links; it must not know what they should say."""

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def fences(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks: language and content, without what a list item indents them by."""
    found = FENCE.finditer(page.read_text())
    return [(match[2], re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)) for match in found]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """What stands between backticks within a line."""
    return [match[2].strip() for match in SPAN.finditer(prose(page))]


def commands(page: Path) -> list[str]:
    """Everything that a reader may take for something to type: spans, and the lines of blocks without their comments."""
    lines = [line for language, block in fences(page) if language in ("sh", "bash") for line in block.splitlines()]
    return [*spans(page), *(re.sub(r"(^|\s)#.*", "", line) for line in lines)]


def links(page: Path) -> list[str]:
    """Where the page's links lead, those to other sites left out."""
    return [link for link in LINK.findall(prose(page)) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The names under which the page's headings can be linked to."""
    headings = (match[1].lower().replace("`", "") for match in HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def rows(page: Path, *header: str) -> list[list[str]]:
    """The cells of every table with this header, row by row."""
    found: list[list[str]] = []
    inside = False
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif tuple(cells[: len(header)]) == header:
            inside = True
        elif inside and not set("".join(cells)) <= set("-: "):
            found.append(cells)
    return found


def code_of(cell: str) -> str:
    """The first code span of a table's cell; the cell itself where there is none."""
    match = SPAN.search(cell)
    return match[2] if match else cell


@cache
def tracked() -> frozenset[str]:
    """The files of the project, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return frozenset(name for name in listed.split("\0") if name)
