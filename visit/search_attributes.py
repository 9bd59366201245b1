"""One visit as search attributes for Temporal's UI, in ids and codes."""

from datetime import datetime
from typing import Literal, NamedTuple

from patient_visit_engine.visit.state import VisitState


class VisitAttributes(NamedTuple):
    """What an operator can search a visit by, apart from its patient and day.

    `doctor_ids`: who has the patient, who has paused, for whom the patient is reserved, and who waits. `open_since`: the start of the
    oldest running consultation.
    """

    state: Literal["free", "reserved", "in_consultation"] = "free"
    doctor_ids: tuple[int, ...] = ()
    open_since: datetime | None = None
    waiting_count: int = 0


def attributes_of(visit: VisitState) -> VisitAttributes:
    """The attributes of this visit now."""
    facts = visit.facts
    doctor_ids = {consultation.doctor_id for consultation in (*facts.in_progress, *facts.paused)}
    doctor_ids |= {place.doctor_id for place in facts.waiting}
    if facts.reservation is not None:
        doctor_ids.add(facts.reservation.doctor_id)
    return VisitAttributes(
        state=_state_name(visit),
        # Sorted, because the order of a set differs between processes.
        doctor_ids=tuple(sorted(doctor_ids)),
        open_since=min((consultation.started_at for consultation in facts.in_progress), default=None),
        waiting_count=len(facts.waiting),
    )


def _state_name(visit: VisitState) -> Literal["free", "reserved", "in_consultation"]:
    if visit.exclusive_consultation() is not None:
        return "in_consultation"
    return "free" if visit.facts.reservation is None else "reserved"
