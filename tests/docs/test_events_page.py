"""Events and metrics in the pages are those of the code, and the examples are complete events."""

import json
import re
from typing import Any, cast, get_args, get_type_hints

from typing_extensions import is_typeddict

from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.storage.upkeep.counts import DatabaseCounts
from patient_visit_engine.wire import event_bodies, event_names
from tests.support.pages import DOCS, ROOT, SPAN, code_of, fences, rows

PAGE = DOCS / "events.md"
EVENTS_IN_CODE = {
    value for name, value in vars(event_names).items() if name.isupper() and isinstance(value, str) and "." in value
}
EVENT_BODIES = [body for body in vars(event_bodies).values() if is_typeddict(body)]
FIELDS_OF_EVERY_EVENT = {"message", "timestamp"}
FIELDS_ABOUT_A_PATIENT = {"patient_id", "patient_name", "family_name", "birth_date", "record_number"}
ABOUT_NO_PATIENT = {"doctor.updated", "prestation.updated"}


def test_page_lists_every_event_and_no_other() -> None:
    assert {code_of(row[0]) for row in rows(PAGE, "event", "channel", "when")} == EVENTS_IN_CODE


def test_page_lists_every_control_event() -> None:
    source = "".join(path.read_text() for path in (ROOT / "live").glob("*.py"))

    assert {code_of(row[0]) for row in rows(PAGE, "event", "when", "do")} == set(re.findall(r'name="(\w+)"', source))


def test_page_has_example_of_every_event() -> None:
    block = next(content for _, content in fences(PAGE) if "consultation.started" in content)
    examples = [example.splitlines() for example in block.strip().split("\n\n")]

    assert {name.removeprefix("event: ") for name, _ in examples} == EVENTS_IN_CODE
    for name, data in examples:
        fields = set(json.loads(data.removeprefix("data: ")))
        assert fields >= FIELDS_OF_EVERY_EVENT
        assert fields.isdisjoint(FIELDS_ABOUT_A_PATIENT) == (name.removeprefix("event: ") in ABOUT_NO_PATIENT)
        assert fields.isdisjoint(FIELDS_ABOUT_A_PATIENT) or fields >= FIELDS_ABOUT_A_PATIENT


def test_page_explains_every_field_and_no_other() -> None:
    cells = [row[0] for row in rows(PAGE, "field", "type", "which events", "meaning")]

    assert {match[2] for cell in cells for match in SPAN.finditer(cell)} == {
        field for body in EVENT_BODIES for field in get_type_hints(body)
    }


def test_page_explains_every_reason_to_leave_line() -> None:
    reasons = get_args(get_type_hints(event_bodies.LineLeft)["why"])

    assert [code_of(row[0]) for row in rows(PAGE, "value", "meaning")] == list(reasons)


def test_metrics_named_by_page_exist(page_text: str) -> None:
    exported = Metrics(Hub(cast(Any, None))).text(DatabaseCounts()).decode()
    named = set(re.findall(r"\bvisit_(?:http|start|stream)_[a-z_]*[a-z]\b", page_text))

    assert {name for name in named if name not in exported} == set()
