"""The pauses of a visit while its ledger is away."""

from patient_visit_engine.workflows.ledger_calls import pause_after


def test_pauses_grow_to_a_minute() -> None:
    pauses = [pause_after(failures).total_seconds() for failures in (1, 2, 3, 4, 5, 6, 1_000)]

    assert pauses == [5, 10, 20, 40, 60, 60, 60]
