"""When something was asked. A command can reach its visit much later."""

from datetime import datetime

from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.request import Request


def asked_at(request: Request, now: datetime) -> datetime:
    """The time from which the limits of people count."""
    return request.asked_at or now


def is_asked_before_change(request: Request, consultation: Consultation) -> bool:
    """Whether the consultation was started, reopened or resumed after this was asked. Both are times of the database's clock."""
    changed_at = consultation.changed_at
    return request.asked_at is not None and changed_at is not None and request.asked_at < changed_at
