"""One visit in words for Temporal's UI, in ids and in the hospital's local time."""

from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.timers import next_timer


def title(patient_id: int, day: date) -> str:
    """The visit in one line, which never changes."""
    return f"Patient {patient_id}, {day.isoformat()}"


def find_zone(name: str) -> tzinfo:
    """The time zone, or UTC when this machine does not have it: a text for the UI must not stop a visit."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def summary(state: VisitState, zone: tzinfo) -> str:
    """The consultations, running and paused, the check-ins, the reservation, the waiting line and the next timer, as Markdown."""

    def local(at: datetime) -> str:
        return _local(at, state.day, zone)

    facts = state.facts
    lines = [f"**{title(state.patient_id, state.day)}**", *(_of_consultation(c, local) for c in facts.in_progress)]
    lines += [_of_paused(consultation, local) for consultation in facts.paused]
    if state.exclusive_consultation() is None and facts.reservation is None:
        lines.append("The patient is free.")
    if facts.reservation is not None:
        until = local(facts.reservation.until)
        lines.append(f"**Reserved** for doctor {facts.reservation.doctor_id} until {until}.")
    lines += [
        f"**Waiting, position {position}**: doctor {place.doctor_id} for appointment {place.appointment_id}, since {local(place.since)}."
        for position, place in enumerate(state.line(), 1)
    ]
    lines += [
        f"**Checked in** for appointment {tracking.appointment_id} at {local(tracking.check_in_time)}."
        for tracking in facts.pending
    ]
    if state.phase == "closing":
        lines.append("The hospital day is over. The visit of the next day takes the commands.")
    timer = next_timer(state)
    lines.append(f"**Next timer** at {local(timer.at)}: {timer.reason}.")
    lines.append(f"Times are local ({zone}).")
    return "\n\n".join(lines)


def _of_consultation(consultation: Consultation, local: Callable[[datetime], str]) -> str:
    kind = "In consultation" if consultation.exclusive else "In a parallel consultation"
    since, expected_end = local(consultation.started_at), local(consultation.overdue_at)
    return (
        f"**{kind}** with doctor {consultation.doctor_id} since {since}, expected until {expected_end}."
        f" Prestation {consultation.prestation_id}, appointment {consultation.appointment_id}, consultation `{consultation.id}`."
    )


def _of_paused(consultation: Consultation, local: Callable[[datetime], str]) -> str:
    since = "" if consultation.paused_at is None else f" since {local(consultation.paused_at)}"
    return (
        f"**Paused**{since} by doctor {consultation.doctor_id}."
        f" Prestation {consultation.prestation_id}, appointment {consultation.appointment_id}, consultation `{consultation.id}`."
    )


def _local(at: datetime, day: date, zone: tzinfo) -> str:
    """The time of day, with the date when it is not the visit's."""
    moment = at.astimezone(zone)
    return f"{moment:%H:%M:%S}" if moment.date() == day else f"{moment:%Y-%m-%d %H:%M:%S}"
