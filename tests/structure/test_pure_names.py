"""Names that some layers must not use, although the layers may import the modules that define them."""

from pathlib import Path

import pytest

from tests.support.layout import ROOT
from tests.support.used_names import used_names

#: The same input must always give the same decision, the same payload and the same replay.
IMPURE = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "uuid.getnode",
    "uuid.uuid1",
    "uuid.uuid4",
    "uuid.uuid6",
    "uuid.uuid7",
    "__import__",
    "breakpoint",
    "eval",
    "exec",
    "hash",
    "id",
    "input",
    "open",
    "print",
}


def _sources(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


@pytest.mark.parametrize("layer", ["visit", "wire", "workflows"])
def test_layer_uses_no_clock_and_no_random_id(layer: str) -> None:
    used = {path.name: used_names(path.read_text()) & IMPURE for path in _sources(layer)}

    assert used
    assert {name: impure for name, impure in used.items() if impure} == {}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
        ("from datetime import datetime as moment\nclock = moment.utcnow", "datetime.datetime.utcnow"),
        ("import datetime\ndatetime.date.today()", "datetime.date.today"),
        ("from uuid import uuid4", "uuid.uuid4"),
        ("import uuid\nuuid.uuid1()", "uuid.uuid1"),
        ("def run():\n    from uuid import uuid4 as new_id\n    return new_id()", "uuid.uuid4"),
        ("open('state')", "open"),
    ],
)
def test_finds_impure_name(source: str, name: str) -> None:
    assert name in used_names(source) & IMPURE


@pytest.mark.parametrize(
    "source", ["def at(now):\n    return now.hour", "from uuid import UUID\nUUID(int=1)", "row.id"]
)
def test_accepts_pure_names(source: str) -> None:
    assert used_names(source) & IMPURE == set()


def test_live_uses_only_event_encoding_of_sse_starlette() -> None:
    used = {
        name for path in _sources("live") for name in used_names(path.read_text()) if name.startswith("sse_starlette")
    }

    assert used == {"sse_starlette.event", "sse_starlette.event.ServerSentEvent"}
