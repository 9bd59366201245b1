"""Logs one line for each decision of a visit, after its commit. The line has ids and codes, and no names."""

import structlog

from patient_visit_engine.storage.ledger.receipts import RecordedDecision
from patient_visit_engine.visit.names import visit_id

logger = structlog.get_logger()


def log_decision(recorded: RecordedDecision) -> None:
    """Log the decision. `duration_ms` is the time since the API got the request."""
    entry, request = recorded.entry, recorded.entry.request
    line: dict[str, object] = {
        "visit": visit_id(entry.patient_id, entry.day),
        "command": entry.command or "timer",
        "changes": [change.change for change in entry.decision.changes],
        "duration_ms": round(recorded.duration.total_seconds() * 1000, 1),
        "retries": recorded.retries,
    }
    if request is not None:
        line["request_id"] = request.id
        line["http_request_id"] = request.http_request_id
        line["status"] = recorded.status
        line["outcome"] = "granted" if recorded.code is None else "refused"
        line["code"] = recorded.code
    logger.info("decision recorded", **line)
