"""A ledger on paper and the visits that write in it, for tests of the rules alone; it must not know Temporal or SQL.

The visits do what `workflows.patient_visit` does: decide, record, and take whatever facts come back for the truth.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from patient_visit_engine.visit.calendar import day_ends_at
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.commands import Adopt, Command, OnConsultation, appointment_of
from patient_visit_engine.visit.decisions import (
    AdoptConsultation,
    Answer,
    Change,
    CloseTracking,
    Decision,
    EndConsultation,
    JoinLine,
    LeaveLine,
    OfferPatient,
    OpenConsultation,
    OpenTracking,
    PostponeConsultation,
    RemindHolder,
    WithdrawOffer,
    WriteAppointmentStatus,
)
from patient_visit_engine.visit.policy import decide, mismatch
from patient_visit_engine.visit.record import LedgerEntry, Recorded
from patient_visit_engine.visit.state import (
    Appointment,
    Consultation,
    Facts,
    Limits,
    PendingTracking,
    VisitState,
    WaitingDoctor,
)
from patient_visit_engine.visit.timers import day_is_over, decide_due, next_deadline
from patient_visit_engine.wire.events import events_of
from tests.support.builders import JOHN_DOE, ZONE, an_event_context

PATIENCE = 50


@dataclass
class InMemoryLedger:
    """One patient's rows, kept as plainly as can be, so that it can be checked against the rules by reading it."""

    appointments: dict[int, Appointment]
    in_progress: list[Consultation] = field(default_factory=list)
    pending: list[PendingTracking] = field(default_factory=list)
    waiting: list[WaitingDoctor] = field(default_factory=list)
    ended: list[tuple[Consultation, Outcome]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    answers: dict[str, Answer | None] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return Facts(in_progress=tuple(self.in_progress), pending=tuple(self.pending), waiting=tuple(self.waiting))

    def record(self, entry: LedgerEntry) -> Recorded:
        if entry.request is not None and entry.request.id in self.answers:
            return Recorded(facts=self.facts)
        stored = None if entry.appointment is None else self.appointments[entry.appointment.id]
        if entry.seen != self.facts or entry.appointment != stored:
            return Recorded(facts=self.facts, overtaken=True, appointment=stored)
        at = entry.decision.at
        cause = f"{entry.day}/{at.isoformat()}" if entry.request is None else entry.request.id
        for change in entry.decision.changes:
            self._apply(change, entry.day)
            self.told += [event.dedup_key for event in events_of(change, an_event_context(at, cause))]
        if entry.request is not None:
            self.answers[entry.request.id] = entry.decision.answer
        return Recorded(facts=self.facts)

    def _apply(self, change: Change, day: date) -> None:
        match change:
            case OpenConsultation(consultation=begun):
                self.pending = [p for p in self.pending if p.appointment_id != begun.appointment_id]
                self.in_progress.append(begun)
                self._status(begun.appointment_id, AppointmentStatus.in_progress)
            case EndConsultation(consultation=over, outcome=outcome):
                self.in_progress.remove(self._running(over.id))
                self.ended.append((over, outcome))
                after = AppointmentStatus.done if outcome is Outcome.done else AppointmentStatus.confirmed
                self._status(over.appointment_id, after)
            case PostponeConsultation() | RemindHolder() | AdoptConsultation():
                kept = change.consultation
                self.in_progress[self.in_progress.index(self._running(kept.id))] = kept
            case OpenTracking(appointment=mine):
                assert mine.id not in [p.appointment_id for p in self.pending], "checked in twice"
                self.pending.append(PendingTracking(appointment_id=mine.id, day=day))
                self._status(mine.id, AppointmentStatus.pending)
            case CloseTracking():
                (closed,) = (p for p in self.pending if p.appointment_id == change.appointment_id)
                self.pending.remove(closed)
                self._status(change.appointment_id, change.status)
            case WriteAppointmentStatus():
                self._status(change.appointment_id, change.status)
            case JoinLine(place=place):
                self.waiting.append(place)
            case LeaveLine(place=place):
                self.waiting.remove(self._place(place))
            case OfferPatient(place=place) | WithdrawOffer(place=place):
                self.waiting[self.waiting.index(self._place(place))] = place

    def _running(self, consultation_id: str) -> Consultation:
        (found,) = (c for c in self.in_progress if c.id == consultation_id)
        return found

    def _place(self, place: WaitingDoctor) -> WaitingDoctor:
        (found,) = (w for w in self.waiting if (w.doctor_id, w.day) == (place.doctor_id, place.day))
        return found

    def _status(self, appointment_id: int, status: AppointmentStatus) -> None:
        mine = self.appointments[appointment_id]
        self.appointments[appointment_id] = mine.model_copy(update={"status": status})


class InMemoryVisit:
    """One day's visit: its facts may be stale, and then the ledger says so."""

    def __init__(self, ledger: InMemoryLedger, day: date, limits: Limits) -> None:
        self._ledger = ledger
        self.state = VisitState(
            patient_id=JOHN_DOE.id, day=day, day_ends_at=day_ends_at(day, ZONE), limits=limits, facts=Facts()
        )
        self.to_tell: set[date] = set()

    def answer(self, command: Command, now: datetime) -> Decision | None:
        """The recorded decision; None when this day takes no more."""
        asked = appointment = appointment_of(command)
        for _ in range(PATIENCE):
            if appointment is not None and (self.state.phase == "closing" or day_is_over(self.state, now)):
                return None
            current: Any = command
            if not isinstance(command, OnConsultation):
                current = command.model_copy(update={"appointment": appointment})
            decision = mismatch(now) if _moved(asked, appointment) else decide(self.state, current, now)
            recorded = self._record(decision, command, appointment)
            if not recorded.overtaken:
                return decision
            appointment = recorded.appointment
        raise AssertionError("overtaken without end")

    def adopt(self, now: datetime) -> None:
        """Take over the timers of all that runs."""
        self.read_again()
        running = tuple(c.id for c in self.state.facts.in_progress)
        decision = decide(self.state, Adopt(consultation_ids=running), now)
        if decision.changes:
            assert not self._record(decision).overtaken

    def read_again(self) -> None:
        """What a signal from another day's visit, or a new run, makes this one do."""
        self._take(self._ledger.facts)

    def catch_up(self, now: datetime) -> list[Decision]:
        """All that time has brought about."""
        decided = []
        for _ in range(PATIENCE):
            if (decision := decide_due(self.state, now)) is None:
                break
            if not self._record(decision).overtaken:
                decided.append(decision)
        else:
            raise AssertionError("time never comes to an end")
        if day_is_over(self.state, now):
            self.state = self.state.model_copy(update={"phase": "closing"})
        deadline = next_deadline(self.state)
        assert deadline is None or deadline > now, "a timer that has passed and does nothing"
        return decided

    def _record(
        self, decision: Decision, command: Command | None = None, appointment: Appointment | None = None
    ) -> Recorded:
        recorded = self._ledger.record(
            LedgerEntry(
                patient_id=self.state.patient_id,
                day=self.state.day,
                decision=decision,
                seen=self.state.facts,
                request=None if command is None else command.request,
                appointment=appointment,
            )
        )
        self._take(recorded.facts)
        return recorded

    def _take(self, facts: Facts) -> None:
        was_busy = self.state.exclusive_consultation() is not None
        self.state = self.state.model_copy(update={"facts": facts})
        if was_busy and self.state.exclusive_consultation() is None:
            self.to_tell |= {place.day for place in facts.waiting if place.day != self.state.day}


def days_after(day: date, count: int) -> date:
    """The calendar day so many days later."""
    return day + timedelta(days=count)


def _moved(asked: Appointment | None, stored: Appointment | None) -> bool:
    if asked is None or stored is None:
        return False
    return (asked.patient_id, asked.doctor_id) != (stored.patient_id, stored.doctor_id)
