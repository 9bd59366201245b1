"""Events and metrics in the pages are those of the code, and the examples are complete events."""

import json
import re
from typing import Any, cast

from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.wire import events
from tests.support.pages import DOCS, ROOT, code_of, fences, rows

PAGE = DOCS / "events.md"
EVENTS_IN_CODE = {
    value for name, value in vars(events).items() if name.isupper() and isinstance(value, str) and "." in value
}
FIELDS_OF_EVERY_EVENT = {"patient_id", "patient_name", "message", "timestamp"}


def test_page_lists_every_event_and_no_other() -> None:
    assert {code_of(row[0]) for row in rows(PAGE, "event", "channel", "when")} == EVENTS_IN_CODE


def test_page_lists_every_control_event() -> None:
    source = "".join(path.read_text() for path in (ROOT / "live").glob("*.py"))

    assert {code_of(row[0]) for row in rows(PAGE, "event", "when", "do")} == set(re.findall(r'name="(\w+)"', source))


def test_page_has_example_of_every_event() -> None:
    block = next(content for _, content in fences(PAGE) if "consultation.started" in content)
    examples = [example.splitlines() for example in block.strip().split("\n\n")]

    assert {name.removeprefix("event: ") for name, _ in examples} == EVENTS_IN_CODE
    for _, data in examples:
        assert set(json.loads(data.removeprefix("data: "))) >= FIELDS_OF_EVERY_EVENT


def test_metrics_named_by_page_exist(page_text: str) -> None:
    exported = Metrics(Hub(cast(Any, None))).text().decode()
    named = set(re.findall(r"\bvisit_(?:http|start|stream)_[a-z_]*[a-z]\b", page_text))

    assert {name for name in named if name not in exported} == set()
