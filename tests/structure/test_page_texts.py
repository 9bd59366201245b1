"""The page has words, in both languages, for each refusal that it can show."""

import json
from typing import get_args

import pytest

from patient_visit_engine.visit.refusals import Refusal
from tests.support.pages import ROOT

MESSAGES = ROOT / "web" / "page" / "src" / "messages"
#: No button, form or timeline of the page shows these refusals.
UNSHOWN = {
    # The page merges and separates no records.
    "already_merged",
    "merge_cycle",
    "merge_in_use",
    "merge_not_today",
    "unknown_merge",
    # `call-next` then answers with the patient who was called.
    "doctor_has_call",
    # The page completes consultations, and sets no status of an appointment.
    "not_in_consultation",
    # The page sends no asynchronous requests.
    "request_expired",
}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_shown_refusal_has_words(language: str) -> None:
    members = get_args(get_args(Refusal)[0])
    codes = {member.model_fields["code"].default for member in members}
    texts = json.loads((MESSAGES / f"{language}.json").read_text())["problem"]

    assert codes - set(texts) == UNSHOWN
