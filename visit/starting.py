"""When a doctor may start: the rule that a patient is never in two consultations; pure, it must not know what ends one."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from uuid import UUID

from patient_visit_engine.visit.codes import CLOSED_APPOINTMENT
from patient_visit_engine.visit.commands import Request, StartConsultation
from patient_visit_engine.visit.decisions import (
    Change,
    ConsultationStands,
    LeaveLine,
    NoteRefusal,
    OpenConsultation,
    Refused,
    Verdict,
)
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    PatientInConsultation,
    PatientReserved,
    Refusal,
)
from patient_visit_engine.visit.state import Appointment, Consultation, VisitState, WaitingDoctor
from patient_visit_engine.visit.waiting_line import join_change, offer_to_line, update_line_after_start


def start_consultation(command: StartConsultation, state: VisitState, now: datetime) -> Verdict:
    """Grant the start unless the appointment is taken or closed, or an exclusive one meets a busy or reserved patient."""
    mine = command.appointment
    running = state.consultation_of(mine.id)
    if running is not None and running.doctor_id == mine.doctor_id:
        return ConsultationStands(consultation=running), ()
    if running is not None:
        return _refuse_start(mine, AppointmentInProgress(holder=running))
    if mine.status in CLOSED_APPOINTMENT:
        return _refuse_start(mine, AppointmentClosed(status=mine.status))
    if mine.exclusive:
        if (holder := state.exclusive_consultation()) is not None:
            return _refuse_or_wait(command, state, now, partial(PatientInConsultation, holder=holder))
        unused, line = _without_unused_offers(state, now)
        offered, offers = _whose_turn(line, now)
        if offered is not None and offered.doctor_id != mine.doctor_id:
            reserved = partial(PatientReserved, doctor_id=offered.doctor_id, until=offered.offered_until)
            answer, changes = _refuse_or_wait(command, line, now, reserved)
            return answer, (*unused, *changes, *offers)
    return _grant(mine, command.request, state, now)


def _without_unused_offers(state: VisitState, now: datetime) -> tuple[tuple[LeaveLine, ...], VisitState]:
    """The doctors whose offer has run out, and the visit without them: a start can come before the timer that says so."""
    unused = tuple(place for place in state.line() if place.offered_until is not None and place.offered_until <= now)
    if not unused or not state.limits.offer:
        return (), state
    waiting = tuple(place for place in state.facts.waiting if place not in unused)
    line = state.model_copy(update={"facts": state.facts.model_copy(update={"waiting": waiting})})
    return tuple(LeaveLine(place=place, why="passed") for place in unused), line


def _whose_turn(state: VisitState, now: datetime) -> tuple[WaitingDoctor | None, tuple[Change, ...]]:
    """For whom the free patient is kept, and the offer that has yet to say so to the head of a line not served."""
    if (offered := state.reservation(now)) is not None:
        return offered, ()
    if not state.limits.offer or not (offers := offer_to_line(state, state.line(), now)):
        return None, ()
    # A consultation that another day's visit ended frees the patient before this visit's line has heard of it:
    # without this whoever presses Start in that moment would go before those who waited.
    return offers[0].place, offers


def _grant(mine: Appointment, request: Request, state: VisitState, now: datetime) -> Verdict:
    due = now + timedelta(minutes=mine.expected_minutes)
    begun = Consultation(
        id=_id(request, now),
        patient_id=mine.patient_id,
        doctor_id=mine.doctor_id,
        appointment_id=mine.id,
        prestation_id=mine.prestation_id,
        exclusive=mine.exclusive,
        day=state.day,
        started_at=now,
        overdue_at=due,
        remind_at=due,
        abandon_at=now + state.limits.abandon_after,
    )
    changes = (OpenConsultation(consultation=begun), *update_line_after_start(state, begun))
    return ConsultationStands(consultation=begun, created=True), changes


def _id(request: Request, now: datetime) -> str:
    """From the request and not from chance, so that a replay begins the same consultation.

    And from the moment: a key may be used anew once its answer is no longer kept, and begins another one then.
    """
    return str(UUID(bytes=sha256(f"{request.id}/{now.isoformat()}".encode()).digest()[:16], version=5))


def _refuse_start(mine: Appointment, refusal: Refusal) -> Verdict:
    return Refused(refusal=refusal), (NoteRefusal(appointment=mine, refusal=refusal),)


def _refuse_or_wait(
    command: StartConsultation,
    state: VisitState,
    now: datetime,
    refusal: Callable[..., PatientInConsultation | PatientReserved],
) -> Verdict:
    mine = command.appointment
    position = state.place_of(mine.doctor_id)
    joined: tuple[Change, ...] = ()
    if command.wait and position is None:
        position, joined = len(state.line()) + 1, (join_change(mine, state, now),)
    answer, noted = _refuse_start(mine, refusal(position=position))
    return answer, (*noted, *joined)
