"""Reads the documentation: its pages with their code, tables, headings and links."""

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
#: The folders that are imported as `patient_visit_engine.*`.
PACKAGES = sorted(path.parent.name for path in (ROOT / "dev" / "patient_visit_engine").glob("*/__init__.py"))

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def fences(page: Path) -> list[tuple[str, str]]:
    """Language and content of each fenced block; the indentation of a list item is removed."""
    matches = FENCE.finditer(page.read_text())
    return [(match[2], re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)) for match in matches]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """The texts between backticks, outside fenced blocks."""
    return [match[2].strip() for match in SPAN.finditer(prose(page))]


def commands(page: Path) -> list[str]:
    """Everything that a person may type: the spans, and the lines of shell blocks without their comments."""
    lines = [line for language, block in fences(page) if language in ("sh", "bash") for line in block.splitlines()]
    return [*spans(page), *(re.sub(r"(^|\s)#.*", "", line) for line in lines)]


def links(page: Path) -> list[str]:
    """The targets of the page's links, without those to other sites."""
    return [link for link in LINK.findall(prose(page)) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The names of the page's headings in a link."""
    headings = (match[1].lower().replace("`", "") for match in HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def rows(page: Path, *header: str) -> list[list[str]]:
    """The cells of every table with a header that begins with these words, row by row."""
    cells_of_rows: list[list[str]] = []
    inside = False
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif tuple(cells[: len(header)]) == header:
            inside = True
        elif inside and not set("".join(cells)) <= set("-: "):
            cells_of_rows.append(cells)
    return cells_of_rows


def code_of(cell: str) -> str:
    """The first code span of a table's cell, or the cell itself when it has no span."""
    match = SPAN.search(cell)
    return match[2] if match else cell


@cache
def tracked() -> frozenset[str]:
    """The files of the project that git tracks."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return frozenset(name for name in listing.split("\0") if name)
