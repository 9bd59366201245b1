"""Random actions of doctors, desks and time on one patient never break the rules."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import (
    CheckIn,
    CheckOut,
    JoinWaitingLine,
    LeaveWaitingLine,
    SetAppointmentStatus,
    SetPriority,
)
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.consultation_changes import EndConsultation
from patient_visit_engine.visit.consultation_commands import (
    CompleteConsultation,
    ExtendConsultation,
    ReleaseConsultation,
    StartConsultation,
)
from patient_visit_engine.visit.decisions import ConsultationAnswer, Decision, PlaceInLine, Refused
from patient_visit_engine.visit.refusals import AppointmentInProgress, PatientInConsultation, PatientReserved
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.visit.timers import next_deadline
from tests.support.builders import (
    CALENDAR,
    DAY,
    DAY_END,
    DERMATOLOGY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    X_RAY,
    a_request,
    an_appointment,
)
from tests.support.in_memory import InMemoryLedger, InMemoryVisit, days_after

BOOKED = (
    an_appointment(DR_AMRANI),
    an_appointment(DR_AMRANI, prestation=X_RAY),
    an_appointment(DR_OKAFOR),
    an_appointment(DR_OKAFOR, prestation=DERMATOLOGY),
    an_appointment(DR_LINDQVIST),
    an_appointment(DR_LINDQVIST, prestation=X_RAY),
)
PAUSES = [timedelta(0), *(timedelta(seconds=s) for s in (0, 1, 1, 4, 30, 60, 61, 900, 1200, 15_000))]
BEFORE_END = [timedelta(hours=2), timedelta(seconds=70), timedelta(seconds=3)]
A_YEAR = timedelta(days=365)
AT_A_DESK = [status for status in AppointmentStatus if status is not AppointmentStatus.in_progress]

messages = st.one_of(
    st.tuples(st.just("start"), st.sampled_from(BOOKED), st.booleans()),
    st.tuples(st.just("start"), st.sampled_from(BOOKED), st.booleans()),
    st.tuples(st.sampled_from(["complete", "complete", "release", "extend"]), st.integers(0, 5), st.integers(0, 2)),
    st.tuples(st.sampled_from(["wait", "leave", "check_in", "check_out"]), st.sampled_from(BOOKED), st.none()),
    st.tuples(st.just("status"), st.sampled_from(BOOKED), st.sampled_from(AT_A_DESK)),
    st.tuples(st.just("priority"), st.sampled_from(BOOKED), st.sampled_from((None, 1, 5))),
    st.tuples(st.sampled_from(["adopt", "repeat", "nothing"]), st.none(), st.none()),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(PAUSES),
        messages,
        # Timers fire on time; the screen is up to date; due decisions are recorded after the message.
        st.tuples(st.booleans(), st.booleans(), st.booleans()),
    ),
    min_size=12,
    max_size=40,
)


class PatientDays:
    """Two or three days of one patient, with checks after every step."""

    def __init__(self, limits: Limits, before_end: timedelta) -> None:
        self.ledger = InMemoryLedger({appointment.id: appointment for appointment in BOOKED})
        self.limits = limits
        self.now = DAY_END - before_end
        self.visits = {DAY: InMemoryVisit(self.ledger, DAY, limits)}
        self.sent: list[Any] = []

    def make_busy(self) -> None:
        """Put the patient in consultation, with two doctors in the waiting line."""
        for index in (0, 2, 4):
            self.handle(("start", BOOKED[index], True), up_to_date=True)

    def pass_time(self, pause: timedelta, *, on_time: bool) -> None:
        until = self.now + pause
        while on_time and (deadline := self._next_deadline()) <= until:
            self.now = max(self.now, deadline)
            self.record_due()
        self.now = until

    def _next_deadline(self) -> datetime:
        return min(
            (d for v in self.visits.values() if (d := next_deadline(v.state)) > self.now), default=self.now + A_YEAR
        )

    def record_due(self) -> None:
        for visit in list(self.visits.values()):
            visit.record_due(self.now)
            self.check()

    def handle(self, message: Any, *, up_to_date: bool) -> None:
        kind, subject, detail = message
        if kind == "repeat":
            if self.sent:
                self.send(self.sent[-1])
        elif kind == "adopt":
            self.visits[max(self.visits)].adopt(self.now)
        elif kind != "nothing" and (command := self._command(kind, subject, detail, up_to_date)) is not None:
            self.sent.append(command)
            self.send(command)

    def _command(self, kind: str, subject: Any, detail: Any, up_to_date: bool) -> Any:
        request = a_request(f"{len(self.sent)}")
        if isinstance(subject, Appointment):
            appointment = self.ledger.appointments[subject.id] if up_to_date else subject
            commands: dict[str, Any] = {
                "start": lambda: StartConsultation(request=request, appointment=appointment, wait=detail),
                "wait": lambda: JoinWaitingLine(request=request, appointment=appointment),
                "leave": lambda: LeaveWaitingLine(request=request, appointment=appointment),
                "check_in": lambda: CheckIn(request=request, appointment=appointment),
                "check_out": lambda: CheckOut(request=request, appointment=appointment),
                "priority": lambda: SetPriority(request=request, appointment=appointment, priority=detail),
                "status": lambda: SetAppointmentStatus(
                    request=request, appointment=appointment, status=detail, doctor_id=appointment.doctor_id
                ),
            }
            return commands[kind]()
        consultations = [*self.ledger.in_progress, *(c for c, _ in self.ledger.ended_consultations)]
        if not consultations:
            return None
        consultation = consultations[subject % len(consultations)]
        doctor_id = consultation.doctor_id if detail else DR_OKAFOR.id
        fields = {
            "request": request,
            "patient_id": consultation.patient_id,
            "consultation_id": consultation.id,
        }
        consultation_commands: dict[str, Any] = {
            "complete": lambda: CompleteConsultation(**fields, doctor_id=doctor_id),
            "release": lambda: ReleaseConsultation(**fields),
            "extend": lambda: ExtendConsultation(**fields, doctor_id=doctor_id, minutes=(1, 20, 240)[detail]),
        }
        return consultation_commands[kind]()

    def send(self, command: Any) -> None:
        is_repeated = command.request.id in self.ledger.answers
        before = self.ledger.facts
        decision = None
        day = CALENDAR.day_of(self.now)
        while decision is None:
            visit = self.visits.setdefault(day, InMemoryVisit(self.ledger, day, self.limits))
            decision = visit.send(command, self.now)
            day = max(CALENDAR.day_of(self.now), days_after(day, 1))
        if is_repeated:
            assert self.ledger.facts == before, "a repeated request had a second effect"
        else:
            self.check_answer(command, decision, before.in_progress)
        self.check()

    def check_answer(self, command: Any, decision: Decision, before: Any) -> None:
        ends = [change for change in decision.changes if isinstance(change, EndConsultation)]
        if isinstance(command, StartConsultation):
            self._check_start(command, decision, before)
            assert not ends
        if isinstance(command, CompleteConsultation | ReleaseConsultation):
            assert all(change.consultation.id == command.consultation_id for change in ends)
        assert len(before) - len(ends) <= len(self.ledger.in_progress)
        if isinstance(decision.answer, PlaceInLine):
            assert self._position(command.appointment.doctor_id) == decision.answer.position

    def _check_start(self, command: StartConsultation, decision: Decision, before: Any) -> None:
        appointment, answer = command.appointment, decision.answer
        running = [c for c in before if c.appointment_id == appointment.id]
        if running:
            # The decision may also have passed the consultation to the new day.
            day = max(running[0].day, CALENDAR.day_of(self.now))
            assert answer == ConsultationAnswer(consultation=running[0].model_copy(update={"day": day}))
        if isinstance(answer, Refused):
            refusal = answer.refusal
            if isinstance(refusal, PatientInConsultation | AppointmentInProgress):
                assert refusal.holder in self.ledger.in_progress
            if isinstance(refusal, PatientInConsultation) and refusal.is_own:
                assert refusal.holder.doctor_id == appointment.doctor_id
                assert refusal.position is None
            elif isinstance(refusal, PatientInConsultation | PatientReserved):
                assert appointment.exclusive
                assert refusal.position == self._position(appointment.doctor_id)
                assert refusal.position is not None or not command.wait
            if isinstance(refusal, PatientInConsultation):
                assert refusal.holder.exclusive
            if isinstance(refusal, PatientReserved):
                reservation = self.ledger.reservation
                assert reservation is not None
                assert (reservation.doctor_id, reservation.until) == (refusal.doctor_id, refusal.until)
                assert refusal.doctor_id != appointment.doctor_id

    def _position(self, doctor_id: int) -> int | None:
        line = [w.doctor_id for w in self.ledger.facts.waiting]
        return line.index(doctor_id) + 1 if doctor_id in line else None

    def check(self) -> None:
        running, waiting = self.ledger.in_progress, self.ledger.waiting
        assert sum(c.exclusive for c in running) <= 1
        assert len({c.appointment_id for c in running}) == len(running)
        assert len({c.id for c in running} | {c.id for c, _ in self.ledger.ended_consultations}) == len(running) + len(
            self.ledger.ended_consultations
        )
        done = Counter(c.appointment_id for c, outcome in self.ledger.ended_consultations if outcome is Outcome.done)
        assert all(times == 1 for times in done.values())
        assert len({w.doctor_id for w in waiting}) == len(waiting)
        assert len({w.turn for w in waiting}) == len(waiting)
        assert self.ledger.reservation is None or not any(c.exclusive for c in running)
        assert len(set(self.ledger.event_keys)) == len(self.ledger.event_keys), (
            "two events have one key; the log keeps one"
        )


OFFERS = pytest.mark.parametrize("offer", [timedelta(seconds=60), timedelta(0)], ids=["reserved", "first-to-start"])
RANDOM_DAYS = given(before_end=st.sampled_from(BEFORE_END), is_busy=st.booleans(), actions=steps)


@OFFERS
@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@RANDOM_DAYS
def test_random_actions_never_break_a_rule(
    offer: timedelta, before_end: timedelta, is_busy: bool, actions: list[Any]
) -> None:
    act(offer, before_end, is_busy, actions)


@pytest.mark.long
@OFFERS
@settings(max_examples=500, deadline=None, database=None, print_blob=True)
@RANDOM_DAYS
def test_many_random_actions_never_break_a_rule(
    offer: timedelta, before_end: timedelta, is_busy: bool, actions: list[Any]
) -> None:
    act(offer, before_end, is_busy, actions)


def act(offer: timedelta, before_end: timedelta, is_busy: bool, actions: list[Any]) -> None:
    """Do the actions one after the other. Each step checks the rules."""
    days = PatientDays(Limits(offer=offer), before_end)
    if is_busy:
        days.make_busy()

    for pause, message, (on_time, up_to_date, recorded) in actions:
        days.pass_time(pause, on_time=on_time)
        days.handle(message, up_to_date=up_to_date)
        if recorded:
            days.record_due()
