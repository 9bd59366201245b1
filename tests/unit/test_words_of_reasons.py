"""The page has words for each reason that a patient's day can have. Without them it would show the code."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from patient_visit_engine.visit.line_changes import EndReservation, LeaveLine

MESSAGES = Path(__file__).parent.parent.parent / "web" / "page" / "src" / "messages"


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("change", [EndReservation, LeaveLine])
def test_each_reason_has_words(change: Any, language: str) -> None:
    words = json.loads((MESSAGES / f"{language}.json").read_text())["why"]

    assert [reason for reason in get_args(change.model_fields["why"].annotation) if reason not in words] == []
