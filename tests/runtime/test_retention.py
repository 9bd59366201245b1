"""Temporal and the ledger remember a request for the same time."""

from patient_visit_engine.runtime.namespace import RETENTION
from patient_visit_engine.storage.upkeep.sweep import ANSWER_LIFETIME


def test_temporal_keeps_closed_days_as_long_as_answers() -> None:
    assert RETENTION == ANSWER_LIFETIME
