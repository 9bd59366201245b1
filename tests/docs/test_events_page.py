"""The events and metrics that the pages name are those of the code, and the examples are events."""

import json
import re
from typing import Any, cast

from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.wire import events
from tests.support.pages import DOCS, ROOT, code_of, fences, rows

PAGE = DOCS / "events.md"
IN_CODE = {value for name, value in vars(events).items() if name.isupper() and isinstance(value, str) and "." in value}
ALWAYS = {"patient_id", "patient_name", "message", "timestamp"}


def test_every_event_is_on_the_page_and_every_one_there_exists() -> None:
    assert {code_of(row[0]) for row in rows(PAGE, "event", "channel", "when")} == IN_CODE


def test_every_event_of_the_streams_own_is_on_the_page() -> None:
    source = "".join(path.read_text() for path in (ROOT / "live").glob("*.py"))

    assert {code_of(row[0]) for row in rows(PAGE, "event", "when", "do")} == set(re.findall(r'name="(\w+)"', source))


def test_there_is_an_example_of_every_event() -> None:
    text = next(block for _, block in fences(PAGE) if "consultation.started" in block)
    shown = [block.splitlines() for block in text.strip().split("\n\n")]

    assert {name.removeprefix("event: ") for name, _ in shown} == IN_CODE
    for _, data in shown:
        assert set(json.loads(data.removeprefix("data: "))) >= ALWAYS


def test_every_metric_that_a_page_names_is_counted(page_text: str) -> None:
    counted = Metrics(Hub(cast(Any, None))).text().decode()
    named = set(re.findall(r"\bvisit_(?:http|start|stream)_[a-z_]*[a-z]\b", page_text))

    assert {name for name in named if name not in counted} == set()
