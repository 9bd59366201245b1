"""The README's sessions are run as they are written, and print what the README says that they print."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.pages import FENCE, README, fences
from tests.support.up import RunningUp, UpEnvironment

PATIENCE_SECONDS = 120
MARK = "--- end of block ---"
#: What is another value in each run, and how it is written in place of it.
CHANGING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<consultation>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>"),
    (r"\b[0-9a-f]{64}\b", "<request>"),
    (r"\b[0-9a-f]{8}-\d+", "<position>"),
    (r"\b20\d{8}\b", "<appointment>"),
    (r'("elapsed_seconds": )\d+', r"\1<seconds>"),
)

pytestmark = pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")


@dataclass
class Block:
    """One block to be pasted, and what it prints."""

    script: str
    prints: str = ""


def session(heading: str) -> list[Block]:
    """The blocks below a heading of the README, each with the output that stands behind it."""
    text = README.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks: list[Block] = []
    for _indent, language, content in FENCE.findall(text):
        if language == "bash":
            blocks.append(Block(content))
        else:
            blocks[-1].prints = content
    return blocks


def alike(text: str) -> list[str]:
    """The text's lines, with what changes from run to run replaced."""
    for pattern, instead in CHANGING:
        text = re.sub(pattern, instead, text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpEnvironment]:
    """The demonstration hospital, in a folder that looks like the project's to who types there."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / ".venv").symlink_to(sys.prefix)
    surroundings = UpEnvironment(folder)
    running = RunningUp(surroundings, {"VISIT_DEMO": "1"})
    running.line("ready in")

    yield surroundings

    running.end()
    running.close()


@pytest.mark.parametrize("heading", ["A worked session", "Connect a hospital system"])
def test_a_session_of_the_readme_prints_what_stands_there(clinic: UpEnvironment, heading: str, tmp_path: Path) -> None:
    blocks = session(heading)
    script = tmp_path / "session.sh"
    script.write_text("".join(f"{block.script}\necho '{MARK}'\n" for block in blocks))

    ran = subprocess.run(
        ["bash", script],
        check=False,
        cwd=clinic.folder,
        env=clinic.environment(BASE=f"http://127.0.0.1:{clinic.ports[0]}"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    printed = ran.stdout.split(f"{MARK}\n")[:-1]
    assert ran.stderr == ""
    assert [alike(text) for text in printed] == [alike(block.prints) for block in blocks]


def test_every_block_of_commands_can_be_typed_as_it_stands(page: Path) -> None:
    blocks = "\n".join(block for language, block in fences(page) if language in ("sh", "bash"))

    read = subprocess.run(["bash", "-n"], check=False, input=blocks, capture_output=True, text=True)

    assert (read.returncode, read.stderr) == (0, "")
