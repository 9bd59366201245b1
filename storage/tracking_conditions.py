"""Conditions on the status and the outcome of trackings, as the partial indexes of trackings have them."""

from sqlalchemy import ColumnElement, FromClause, literal_column

from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.codes import Outcome, TrackingStatus

# Literals, not bound parameters: otherwise neither database uses its partial index. And SQLite compiles a statement again for each
# execution when it compares a parameter with the condition of a partial index. For the ledger's large query that takes several times
# as long as the query.


def has_status(*statuses: TrackingStatus) -> ColumnElement[bool]:
    """The tracking has one of these statuses."""
    literals: list[ColumnElement[str]] = [literal_column(f"'{status.value}'") for status in statuses]
    return patient_trackings.c.status == literals[0] if len(literals) == 1 else patient_trackings.c.status.in_(literals)


def has_outcome(outcome: Outcome, trackings: FromClause = patient_trackings) -> ColumnElement[bool]:
    """The tracking has ended with this outcome. `trackings` can be an alias of the table."""
    return trackings.c.outcome == literal_column(f"'{outcome.value}'")


def is_open(trackings: FromClause = patient_trackings) -> ColumnElement[bool]:
    """The tracking has not ended. `trackings` can be an alias of the table."""
    return trackings.c.status != literal_column(f"'{TrackingStatus.completed.value}'")


HAS_ENDED = has_status(TrackingStatus.completed)
IS_OPEN = is_open()
IS_NO_MISTAKE = patient_trackings.c.outcome != literal_column(f"'{Outcome.mistaken.value}'")
HAS_CONSULTATION = has_status(TrackingStatus.in_progress, TrackingStatus.paused)
IS_RUNNING = has_status(TrackingStatus.in_progress)
IS_PENDING = has_status(TrackingStatus.pending)
