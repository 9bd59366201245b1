"""Checks the database of a round after its end: one consultation per patient, a log without gaps, correct counts."""

import contextlib
import sqlite3
from collections import Counter

from bench.plan import Plan
from bench.systems import System

EVENTS = "SELECT seq, name, patient_id, consultation_id FROM events ORDER BY seq"


def check_database(system: System, plan: Plan) -> list[str]:
    """What is wrong in the database, one sentence each. Empty when all is correct."""
    with contextlib.closing(sqlite3.connect(f"file:{system.database_file}?mode=ro", uri=True)) as connection:
        errors = []
        completed = connection.execute(system.completed_query).fetchone()[0]
        if completed != plan.completed:
            errors.append(f"{completed} consultations completed, not {plan.completed}")
        return errors + _check_events(connection, plan)


def _check_events(connection: sqlite3.Connection, plan: Plan) -> list[str]:
    errors: list[str] = []
    running: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for expected_seq, (seq, name, patient_id, consultation_id) in enumerate(connection.execute(EVENTS), 1):
        if seq != expected_seq:
            errors.append(f"position {seq} in the log instead of {expected_seq}")
            break
        counts[name] += 1
        if name == "consultation.started" and running.setdefault(patient_id, consultation_id) != consultation_id:
            errors.append(f"patient {patient_id} was in two consultations at position {seq}")
        if name == "consultation.completed" and running.pop(patient_id, None) != consultation_id:
            errors.append(f"patient {patient_id} left a consultation at position {seq} without being in it")
    expected_counts = {
        "consultation.started": plan.completed,
        "consultation.completed": plan.completed,
        "consultation.blocked": plan.refused,
    }
    errors += [
        f"{counts[name]} {name} in the log, not {expected}"
        for name, expected in expected_counts.items()
        if counts[name] != expected
    ]
    return errors
