"""The examples of `docs/tutorial.md` and `docs/start.md` run as they are written, and print the documented output."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import pytest

from tests.support.pages import DOCS, FENCE, fences
from tests.support.up import UpEnvironment, running_up

TUTORIAL, START = DOCS / "tutorial.md", DOCS / "start.md"
TIMEOUT_SECONDS = 120
BLOCK_END = "--- end of block ---"
#: Values that differ between runs, each with its placeholder.
CHANGING_VALUES = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<consultation>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>"),
    (r"\b[0-9a-f]{64}\b", "<request>"),
    (r"\b[0-9a-f]{8}-\d+", "<position>"),
    (r"\b20\d{8}\b", "<appointment>"),
    (r'("elapsed_seconds": )\d+', r"\1<seconds>"),
)

#: How far an import is, without a terminal. A slow machine prints more such lines.
PROGRESS = re.compile(r"(?:checking|importing) .*: \d+ of \d+.*")

pytestmark = pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")


@dataclass
class Block:
    """One block to paste into a terminal, and its documented output."""

    script: str
    output: str = ""


def read_session(page: Path, heading: str) -> list[Block]:
    """The bash blocks below a heading of the page, each with the text block after it as output."""
    section = page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks: list[Block] = []
    for _indent, language, content in FENCE.findall(section):
        if language == "bash":
            blocks.append(Block(content))
        else:
            blocks[-1].output = content
    return blocks


def mask_changing_values(text: str) -> list[str]:
    """The lines of the text, with a placeholder for each value that differs between runs."""
    for pattern, placeholder in CHANGING_VALUES:
        text = re.sub(pattern, placeholder, text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def up_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpEnvironment]:
    """A running demonstration hospital, in a folder that has `.venv` and `data` like the project's own folder."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / ".venv").symlink_to(sys.prefix)
    environment = UpEnvironment(folder)
    with running_up(environment, {"VISIT_DEMO": "1"}):
        yield environment


def run_session(up_environment: UpEnvironment, blocks: list[Block], tmp_path: Path) -> tuple[list[str], str]:
    """Run the blocks one after the other, and return their outputs and the errors."""
    script = tmp_path / "session.sh"
    script.write_text("".join(f"{block.script}\necho '{BLOCK_END}'\n" for block in blocks))
    result = subprocess.run(
        ["bash", script],
        check=False,
        cwd=up_environment.folder,
        env=up_environment.environment(BASE=f"http://127.0.0.1:{up_environment.ports[0]}"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    return result.stdout.split(f"{BLOCK_END}\n")[:-1], result.stderr


@pytest.mark.parametrize("heading", ["Two doctors and one patient", "Connect a hospital system"])
def test_session_prints_documented_output(up_environment: UpEnvironment, heading: str, tmp_path: Path) -> None:
    blocks = read_session(TUTORIAL, heading)

    outputs, errors = run_session(up_environment, blocks, tmp_path)

    assert errors == ""
    assert [mask_changing_values(output) for output in outputs] == [
        mask_changing_values(block.output) for block in blocks
    ]


def test_first_import_works_as_documented(up_environment: UpEnvironment, tmp_path: Path) -> None:
    blocks = read_session(START, "Import your table")
    for block in blocks:
        block.script = f"{{\n{block.script}}} 2>&1"

    outputs, _ = run_session(up_environment, blocks, tmp_path)

    printed = [[line for line in output.splitlines() if not PROGRESS.fullmatch(line)] for output in outputs]
    assert printed == [block.output.splitlines() for block in blocks]
    assert {"Nora Field", "Ana Silva"} <= names_on_worklist(up_environment)


def names_on_worklist(up_environment: UpEnvironment) -> set[str]:
    """The patients of today's appointments, as the reception sees them."""
    claims = {"sub": "test", "exp": int(time.time()) + 600, "role": "reception", "name": "Reception"}
    token = jwt.encode(claims, (up_environment.data / "jwt.secret").read_text(), "HS256")
    url = f"http://127.0.0.1:{up_environment.ports[0]}/api/appointments"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    return {item["patient_name"] for item in answer.json()["items"]}


def test_shell_blocks_of_page_parse(page: Path) -> None:
    blocks = "\n".join(block for language, block in fences(page) if language in ("sh", "bash"))

    parsed = subprocess.run(["bash", "-n"], check=False, input=blocks, capture_output=True, text=True)

    assert (parsed.returncode, parsed.stderr) == (0, "")
