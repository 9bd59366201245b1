"""A ledger in memory and visits that write to it, for tests of the rules. Does not import Temporal or SQL.

The visits do what `workflows.patient_visit` does: decide, record, and take over the facts that the ledger returns.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.changes import (
    CarryOver,
    Change,
    CloseTracking,
    OpenTracking,
    PostponeNotSeen,
    WriteAppointmentStatus,
    WritePriority,
)
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.commands import Command, appointment_of
from patient_visit_engine.visit.consultation_changes import (
    EndConsultation,
    OpenConsultation,
    PostponeConsultation,
    RemindHolder,
    WaitAgain,
)
from patient_visit_engine.visit.decisions import Answer, Decision
from patient_visit_engine.visit.facts import Consultation, Facts, PendingTracking, Reservation, WaitingDoctor
from patient_visit_engine.visit.line_changes import (
    EndReservation,
    JoinLine,
    LeaveLine,
    MoveDown,
    OfferPatient,
    WithdrawOffer,
)
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.policy import decide, decide_on_appointment
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.visit.timers import day_is_over, decide_due, next_deadline
from patient_visit_engine.wire.events import events_of
from tests.support.builders import CALENDAR, JOHN_DOE, an_event_context

Row = TypeVar("Row", Consultation, PendingTracking, WaitingDoctor, Reservation)
#: After so many attempts a test fails instead of looping forever.
MAX_ATTEMPTS = 50


@dataclass
class InMemoryLedger:
    """The rows of one patient. It is simple enough to be checked against the rules by reading it."""

    appointments: dict[int, Appointment]
    in_progress: list[Consultation] = field(default_factory=list)
    pending: list[PendingTracking] = field(default_factory=list)
    waiting: list[WaitingDoctor] = field(default_factory=list)
    reservation: Reservation | None = None
    ended_consultations: list[tuple[Consultation, Outcome]] = field(default_factory=list)
    event_keys: list[str] = field(default_factory=list)
    answers: dict[str, Answer | None] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        line = sorted(self.waiting, key=lambda place: place.turn)
        return Facts(
            in_progress=tuple(self.in_progress),
            pending=tuple(self.pending),
            waiting=tuple(line),
            reservation=self.reservation,
        )

    def record(self, entry: LedgerEntry) -> LedgerReply:
        if entry.request is not None and entry.request.id in self.answers:
            return LedgerReply(facts=self.facts)
        stored = None if entry.appointment is None else self.appointments[entry.appointment.id]
        if entry.seen != self.facts or entry.appointment != stored:
            return LedgerReply(facts=self.facts, overtaken=True, appointment=stored)
        at = entry.decision.at
        cause = str(entry.day) if entry.request is None else entry.request.id
        for change in entry.decision.changes:
            self._apply(change, entry.day, at)
            self.event_keys += [event.dedup_key for event in events_of(change, an_event_context(at, cause))]
        if entry.request is not None:
            self.answers[entry.request.id] = entry.decision.answer
        return LedgerReply(facts=self.facts)

    def _apply(self, change: Change, day: date, at: datetime) -> None:
        match change:
            case OpenConsultation(consultation=consultation):
                self.pending = [p for p in self.pending if p.appointment_id != consultation.appointment_id]
                self.in_progress.append(consultation)
                self._set_status(consultation.appointment_id, AppointmentStatus.in_progress)
            case EndConsultation(consultation=consultation, outcome=outcome):
                self.in_progress.remove(self._find_consultation(consultation.id))
                self.ended_consultations.append((consultation, outcome))
                status = AppointmentStatus.done if outcome is Outcome.done else AppointmentStatus.confirmed
                self._set_status(consultation.appointment_id, status)
            case PostponeConsultation() | RemindHolder():
                consultation = change.consultation
                row = self._find_consultation(consultation.id)
                self.in_progress[self.in_progress.index(row)] = consultation
            case JoinLine() | LeaveLine() | MoveDown() | WithdrawOffer() | OfferPatient() | EndReservation():
                self._apply_to_line(change, day)
            case OpenTracking(appointment=appointment):
                assert appointment.id not in [p.appointment_id for p in self.pending], "checked in twice"
                self.pending.append(
                    PendingTracking(appointment_id=appointment.id, day=day, check_in_time=at, scheduled_at=at)
                )
                self._set_status(appointment.id, AppointmentStatus.pending)
            case CloseTracking():
                (tracking,) = (p for p in self.pending if p.appointment_id == change.appointment_id)
                self.pending.remove(tracking)
                self._set_status(change.appointment_id, change.status)
            case WaitAgain(consultation=consultation):
                self._wait_again(consultation, day)
            case CarryOver() | PostponeNotSeen():
                self._carry_over(change)
            case WriteAppointmentStatus() | WritePriority():
                self._write_appointment(change)

    def _apply_to_line(
        self, change: JoinLine | LeaveLine | MoveDown | WithdrawOffer | OfferPatient | EndReservation, day: date
    ) -> None:
        match change:
            case OfferPatient() | EndReservation():
                self._apply_to_reservation(change, day)
            case JoinLine(place=place):
                self.waiting.append(place)
            case LeaveLine(place=place):
                self.waiting.remove(self._find_place(place))
            case MoveDown(place=place, next_place=next_place):
                self._replace_place(place)
                if next_place is not None:
                    self._replace_place(next_place)
            case WithdrawOffer(place=place):
                self._replace_place(place)

    def _replace_place(self, place: WaitingDoctor) -> None:
        self.waiting[self.waiting.index(self._find_place(place))] = place

    def _apply_to_reservation(self, change: OfferPatient | EndReservation, day: date) -> None:
        if isinstance(change, EndReservation):
            assert self.reservation == change.reservation
            self.reservation = None
        elif change.until is None:
            self._replace_place(change.place)
        else:
            place = change.place
            self.reservation = Reservation(
                doctor_id=place.doctor_id, appointment_id=place.appointment_id, day=day, until=change.until
            )

    def _wait_again(self, consultation: Consultation, day: date) -> None:
        assert consultation.checked_in_at is not None
        arrival = consultation.checked_in_at
        self.pending.append(
            PendingTracking(
                appointment_id=consultation.appointment_id, day=day, check_in_time=arrival, scheduled_at=arrival
            )
        )
        self._set_status(consultation.appointment_id, AppointmentStatus.pending)

    def _carry_over(self, change: CarryOver | PostponeNotSeen) -> None:
        if isinstance(change, PostponeNotSeen):
            self._replace_tracking(change.tracking)
            return
        new_day = change.day

        def carry(row: Row) -> Row:
            return row.model_copy(update={"day": max(row.day, new_day)})

        self.in_progress = [carry(row) for row in self.in_progress]
        self.pending = [carry(row) for row in self.pending]
        self.waiting = [carry(row) for row in self.waiting]
        if self.reservation is not None:
            self.reservation = carry(self.reservation)
        for tracking in change.pending:
            self._replace_tracking(tracking)

    def _replace_tracking(self, tracking: PendingTracking) -> None:
        (row,) = (p for p in self.pending if p.appointment_id == tracking.appointment_id)
        self.pending[self.pending.index(row)] = tracking

    def _find_consultation(self, consultation_id: str) -> Consultation:
        (consultation,) = (c for c in self.in_progress if c.id == consultation_id)
        return consultation

    def _find_place(self, place: WaitingDoctor) -> WaitingDoctor:
        (row,) = (w for w in self.waiting if w.doctor_id == place.doctor_id)
        return row

    def _write_appointment(self, change: WriteAppointmentStatus | WritePriority) -> None:
        if isinstance(change, WriteAppointmentStatus):
            self._set_status(change.appointment_id, change.status)
        else:
            present = self.appointments[change.appointment.id]
            self.appointments[present.id] = present.model_copy(update={"priority": change.priority})

    def _set_status(self, appointment_id: int, status: AppointmentStatus) -> None:
        appointment = self.appointments[appointment_id]
        self.appointments[appointment_id] = appointment.model_copy(update={"status": status})


class InMemoryVisit:
    """The visit of one day. Its facts can be stale; then the ledger answers that it was overtaken."""

    def __init__(self, ledger: InMemoryLedger, day: date, limits: Limits) -> None:
        self._ledger = ledger
        self.state = VisitState(
            patient_id=JOHN_DOE.id,
            day=day,
            day_starts_at=CALENDAR.starts_at(day),
            day_ends_at=CALENDAR.ends_at(day),
            limits=limits,
            facts=Facts(),
        )

    def send(self, command: Command, now: datetime) -> Decision | None:
        """Decide and record the command. None if this day takes no more commands."""
        appointment = appointment_of(command)
        for _ in range(MAX_ATTEMPTS):
            if self.state.phase == "closing" or day_is_over(self.state, now):
                return None
            decision = decide_on_appointment(command, appointment, self.state, now)
            recorded = self._record(decision, command, appointment)
            if not recorded.overtaken:
                return decision
            appointment = recorded.appointment
        raise AssertionError(f"overtaken {MAX_ATTEMPTS} times")

    def adopt(self, now: datetime) -> None:
        """Read the facts, and take over what is open from earlier days."""
        self.load_facts()
        decision = decide(Adopt(), self.state, now)
        if decision.changes:
            assert not self._record(decision).overtaken

    def load_facts(self) -> None:
        """Read the ledger, as a visit does in a new run."""
        self._set_facts(self._ledger.facts)

    def record_due(self, now: datetime) -> list[Decision]:
        """Record all decisions that are due, and return them."""
        decisions = []
        for _ in range(MAX_ATTEMPTS):
            if (decision := decide_due(self.state, now)) is None:
                break
            if not self._record(decision).overtaken:
                decisions.append(decision)
        else:
            raise AssertionError("there is always one more decision due")
        if day_is_over(self.state, now):
            self.state = self.state.model_copy(update={"phase": "closing"})
        deadline = next_deadline(self.state)
        assert deadline > now or self.state.phase == "closing", "a timer is over and has done nothing"
        return decisions

    def _record(
        self, decision: Decision, command: Command | None = None, appointment: Appointment | None = None
    ) -> LedgerReply:
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
        self._set_facts(recorded.facts)
        return recorded

    def _set_facts(self, facts: Facts) -> None:
        self.state = self.state.model_copy(update={"facts": facts})


def days_after(day: date, count: int) -> date:
    """The date so many days later."""
    return day + timedelta(days=count)
