"""One visit in a few lines for whoever operates the system, in ids; pure, it must not know where the lines are shown."""

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.state import VisitState


def summary(state: VisitState) -> str:
    """Who has the patient, who waits, and what the day's phase is, as Markdown."""
    lines = [f"**Day** {state.day.isoformat()}, {state.phase}"]
    for running in state.facts.in_progress:
        kind = "In consultation" if running.exclusive else "Beside it"
        since, due = to_rfc3339(running.started_at), to_rfc3339(running.overdue_at)
        lines.append(f"**{kind}** with doctor {running.doctor_id}, appointment {running.appointment_id}")
        lines.append(f"since {since}, expected until {due}, id `{running.id}`")
    lines += [f"**Checked in** for appointment {pending.appointment_id}" for pending in state.facts.pending]
    for position, place in enumerate(state.line(), 1):
        offered = "" if place.offered_until is None else f", offered until {to_rfc3339(place.offered_until)}"
        lines.append(f"**Waiting {position}.** doctor {place.doctor_id}{offered}")
    return "\n\n".join(lines)
