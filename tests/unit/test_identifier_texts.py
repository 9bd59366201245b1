"""The exact identifier of a record in a query string: where it is split, and which texts are refused."""

import pytest
from pydantic import TypeAdapter, ValidationError

from patient_visit_engine.api.schema.bodies import SentIdentifier
from patient_visit_engine.api.schema.fields import ExactIdentifier
from patient_visit_engine.storage.master_data.identifiers import Identifier

EXACT = TypeAdapter[Identifier](ExactIdentifier)


@pytest.mark.parametrize(
    ("text", "system", "value"),
    [
        ("urn:mrn|00017", "urn:mrn", "00017"),
        ("urn:mrn|a|b|", "urn:mrn", "a|b|"),
        ("urn:mrn|Ab c", "urn:mrn", "Ab c"),
        ("urn:uuid|7F9C0A5E-0000-4000-8000-000000000001", "urn:uuid", "7F9C0A5E-0000-4000-8000-000000000001"),
        # Decomposed letters stay decomposed: another system compares the code points.
        ("urn:mrn|e\u0301", "urn:mrn", "e\u0301"),
        (f"{'s' * 200}|{'v' * 200}", "s" * 200, "v" * 200),
    ],
)
def test_splits_at_first_bar_and_changes_nothing(text: str, system: str, value: str) -> None:
    assert EXACT.validate_python(text) == Identifier(system, value)
    assert SentIdentifier(system=system, value=value).identifier == Identifier(system, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "urn:mrn",
        "urn:mrn|",
        "|7",
        " urn:mrn|7",
        "urn:mrn |7",
        "urn:mrn| 7",
        "urn:mrn|7 ",
        "urn:mrn|7\xa0",
        "urn:mrn|a\nb",
        "urn:mrn|a\x00",
        "urn:mrn|\u202e7",
        "urn:mrn|\u200b",
        f"{'s' * 201}|7",
        f"s|{'v' * 201}",
    ],
)
def test_refuses_text_that_is_no_exact_identifier(text: str) -> None:
    with pytest.raises(ValidationError):
        EXACT.validate_python(text)
    system, _, value = text.partition("|")
    with pytest.raises(ValidationError):
        SentIdentifier(system=system, value=value)


def test_refuses_bar_in_name_of_system() -> None:
    with pytest.raises(ValidationError, match="separates system and value"):
        SentIdentifier(system="a|b", value="7")
