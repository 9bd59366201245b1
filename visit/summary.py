"""One visit in a few lines for Temporal's UI, in ids."""

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.state import VisitState


def summary(state: VisitState) -> str:
    """The day's phase, the consultations, the check-ins and the waiting line, as Markdown."""
    lines = [f"**Day** {state.day.isoformat()}, {state.phase}"]
    for consultation in state.facts.in_progress:
        kind = "In consultation" if consultation.exclusive else "In a parallel consultation"
        since, expected_end = to_rfc3339(consultation.started_at), to_rfc3339(consultation.overdue_at)
        lines.append(f"**{kind}** with doctor {consultation.doctor_id}, appointment {consultation.appointment_id}")
        lines.append(f"since {since}, expected until {expected_end}, id `{consultation.id}`")
    lines += [f"**Checked in** for appointment {pending.appointment_id}" for pending in state.facts.pending]
    for position, place in enumerate(state.line(), 1):
        lines.append(f"**Waiting {position}.** doctor {place.doctor_id}")
    if (reservation := state.facts.reservation) is not None:
        lines.append(f"**Reserved** for doctor {reservation.doctor_id} until {to_rfc3339(reservation.until)}")
    return "\n\n".join(lines)
