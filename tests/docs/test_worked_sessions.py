"""The examples of `docs/tutorial.md` run as they are written, and print the documented output."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.pages import DOCS, FENCE, fences
from tests.support.up import RunningUp, UpEnvironment

TUTORIAL = DOCS / "tutorial.md"
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

pytestmark = pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")


@dataclass
class Block:
    """One block to paste into a terminal, and its documented output."""

    script: str
    output: str = ""


def read_session(heading: str) -> list[Block]:
    """The bash blocks below a heading of the tutorial, each with the text block after it as output."""
    section = TUTORIAL.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
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
    up = RunningUp(environment, {"VISIT_DEMO": "1"})
    up.wait_for_line("ready in")

    yield environment

    up.stop()
    up.close()


@pytest.mark.parametrize("heading", ["Two doctors and one patient", "Connect a hospital system"])
def test_session_prints_documented_output(up_environment: UpEnvironment, heading: str, tmp_path: Path) -> None:
    blocks = read_session(heading)
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

    outputs = result.stdout.split(f"{BLOCK_END}\n")[:-1]
    assert result.stderr == ""
    assert [mask_changing_values(output) for output in outputs] == [
        mask_changing_values(block.output) for block in blocks
    ]


def test_shell_blocks_of_page_parse(page: Path) -> None:
    blocks = "\n".join(block for language, block in fences(page) if language in ("sh", "bash"))

    parsed = subprocess.run(["bash", "-n"], check=False, input=blocks, capture_output=True, text=True)

    assert (parsed.returncode, parsed.stderr) == (0, "")
