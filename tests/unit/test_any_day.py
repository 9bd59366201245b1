"""Whatever doctors, desks and time do to one patient, in whatever order: the rules of the contract hold."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patient_visit_engine.visit.calendar import local_day
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.commands import (
    CheckIn,
    CheckOut,
    CompleteConsultation,
    ExtendConsultation,
    JoinWaitingLine,
    LeaveWaitingLine,
    ReleaseConsultation,
    SetAppointmentStatus,
    StartConsultation,
)
from patient_visit_engine.visit.decisions import (
    ConsultationStands,
    Decision,
    EndConsultation,
    OfferPatient,
    PlaceInLine,
    Refused,
)
from patient_visit_engine.visit.refusals import AppointmentInProgress, PatientInConsultation, PatientReserved
from patient_visit_engine.visit.state import Appointment, Limits
from patient_visit_engine.visit.timers import day_is_over, next_deadline
from tests.support.builders import (
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    MIDNIGHT,
    X_RAY,
    ZONE,
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
BEFORE_MIDNIGHT = [timedelta(hours=2), timedelta(seconds=70), timedelta(seconds=3)]
AT_A_DESK = [status for status in AppointmentStatus if status is not AppointmentStatus.in_progress]

messages = st.one_of(
    st.tuples(st.just("start"), st.sampled_from(BOOKED), st.booleans()),
    st.tuples(st.just("start"), st.sampled_from(BOOKED), st.booleans()),
    st.tuples(st.sampled_from(["complete", "complete", "release", "extend"]), st.integers(0, 5), st.integers(0, 2)),
    st.tuples(st.sampled_from(["wait", "leave", "check_in", "check_out"]), st.sampled_from(BOOKED), st.none()),
    st.tuples(st.just("status"), st.sampled_from(BOOKED), st.sampled_from(AT_A_DESK)),
    st.tuples(st.sampled_from(["adopt", "again", "nothing"]), st.none(), st.none()),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(PAUSES),
        messages,
        # Whether timers fire on time, or else late; whether word reaches other days; whether the screen was up to date.
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    ),
    min_size=12,
    max_size=40,
)


class Clinic:
    """One patient's two or three days, and what must be true at every moment of them."""

    def __init__(self, limits: Limits, before_midnight: timedelta) -> None:
        self.ledger = InMemoryLedger({mine.id: mine for mine in BOOKED})
        self.limits = limits
        self.now = MIDNIGHT - before_midnight
        self.visits = {DAY: InMemoryVisit(self.ledger, DAY, limits)}
        self.sent: list[Any] = []

    def fill_up(self) -> None:
        """The patient is in consultation and two doctors wait."""
        for nth in (0, 2, 4):
            self.say(("start", BOOKED[nth], True), up_to_date=True)

    def pass_time(self, pause: timedelta, *, on_time: bool) -> None:
        until = self.now + pause
        while on_time and (deadline := self._next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.let_time_decide()
        self.now = until

    def _next_deadline(self) -> datetime | None:
        return min((d for v in self.visits.values() if (d := next_deadline(v.state)) is not None), default=None)

    def let_time_decide(self) -> None:
        for visit in list(self.visits.values()):
            for decision in visit.catch_up(self.now):
                self.check_offers(visit, decision)
            self.check()

    def pass_word_on(self) -> None:
        for visit in list(self.visits.values()):
            for day in visit.to_tell & self.visits.keys():
                self.visits[day].read_again()
                self.visits[day].catch_up(self.now)
            visit.to_tell.clear()

    def say(self, message: Any, *, up_to_date: bool) -> None:
        kind, about, how = message
        if kind == "again":
            if self.sent:
                self.send(self.sent[-1])
        elif kind == "adopt":
            self.visits[max(self.visits)].adopt(self.now)
        elif kind != "nothing" and (command := self._command(kind, about, how, up_to_date)) is not None:
            self.sent.append(command)
            self.send(command)

    def _command(self, kind: str, about: Any, how: Any, up_to_date: bool) -> Any:
        request = a_request(f"{len(self.sent)}")
        if isinstance(about, Appointment):
            mine = self.ledger.appointments[about.id] if up_to_date else about
            with_appointment: dict[str, Any] = {
                "start": lambda: StartConsultation(request=request, appointment=mine, wait=how),
                "wait": lambda: JoinWaitingLine(request=request, appointment=mine),
                "leave": lambda: LeaveWaitingLine(request=request, appointment=mine),
                "check_in": lambda: CheckIn(request=request, appointment=mine),
                "check_out": lambda: CheckOut(request=request, appointment=mine),
                "status": lambda: SetAppointmentStatus(
                    request=request, appointment=mine, status=how, doctor_id=mine.doctor_id
                ),
            }
            return with_appointment[kind]()
        known = [*self.ledger.in_progress, *(c for c, _ in self.ledger.ended)]
        if not known:
            return None
        meant = known[about % len(known)]
        asker = meant.doctor_id if how else DR_OKAFOR.id
        on = {"request": request, "patient_id": meant.patient_id, "consultation_id": meant.id}
        on_consultation: dict[str, Any] = {
            "complete": lambda: CompleteConsultation(**on, doctor_id=asker),
            "release": lambda: ReleaseConsultation(**on),
            "extend": lambda: ExtendConsultation(**on, doctor_id=asker, minutes=(1, 20, 240)[how]),
        }
        return on_consultation[kind]()

    def send(self, command: Any) -> None:
        asked_before = command.request.id in self.ledger.answers
        before = self.ledger.facts
        decision = None
        day = self._day_for(command)
        while decision is None:
            visit = self.visits.setdefault(day, InMemoryVisit(self.ledger, day, self.limits))
            decision = visit.answer(command, self.now)
            self.check_offers(visit, decision)
            day = max(local_day(self.now, ZONE), days_after(day, 1))
        if asked_before:
            assert self.ledger.facts == before, "a request sent again had a second effect"
        else:
            self.check_answer(command, decision, before.in_progress)
        self.check()

    def _day_for(self, command: Any) -> Any:
        kept = [c for c in self.ledger.in_progress if c.id == getattr(command, "consultation_id", None)]
        return kept[0].day if kept else local_day(self.now, ZONE)

    def check_offers(self, visit: InMemoryVisit, decision: Decision | None) -> None:
        changes = () if decision is None else decision.changes
        if any(isinstance(change, OfferPatient) for change in changes):
            assert not day_is_over(visit.state, self.now), "a line that is over was served"

    def check_answer(self, command: Any, decision: Decision, before: Any) -> None:
        ended = [change for change in decision.changes if isinstance(change, EndConsultation)]
        if isinstance(command, StartConsultation):
            self._check_start(command, decision, before)
            assert not ended
        if isinstance(command, CompleteConsultation | ReleaseConsultation):
            assert all(change.consultation.id == command.consultation_id for change in ended)
        assert len(before) - len(ended) <= len(self.ledger.in_progress)
        if isinstance(decision.answer, PlaceInLine):
            assert self._place(command.appointment.doctor_id) == decision.answer.position

    def _check_start(self, command: StartConsultation, decision: Decision, before: Any) -> None:
        mine, answer = command.appointment, decision.answer
        standing = [c for c in before if c.appointment_id == mine.id]
        if standing:
            assert answer == ConsultationStands(consultation=standing[0])
        if isinstance(answer, Refused):
            refusal = answer.refusal
            if isinstance(refusal, PatientInConsultation | AppointmentInProgress):
                assert refusal.holder in self.ledger.in_progress
            if isinstance(refusal, PatientInConsultation | PatientReserved):
                assert mine.exclusive
                assert refusal.position == self._place(mine.doctor_id)
                assert refusal.position is not None or not command.wait
            if isinstance(refusal, PatientInConsultation):
                assert refusal.holder.exclusive
            if isinstance(refusal, PatientReserved):
                offered = [w for w in self.ledger.waiting if w.offered_until == refusal.until]
                assert [w.doctor_id for w in offered] == [refusal.doctor_id] != [mine.doctor_id]

    def _place(self, doctor_id: int) -> int | None:
        line = [w.doctor_id for w in self.ledger.waiting if w.day == local_day(self.now, ZONE)]
        return line.index(doctor_id) + 1 if doctor_id in line else None

    def check(self) -> None:
        running, waiting = self.ledger.in_progress, self.ledger.waiting
        assert sum(c.exclusive for c in running) <= 1
        assert len({c.appointment_id for c in running}) == len(running)
        assert len({c.id for c in running} | {c.id for c, _ in self.ledger.ended}) == len(running) + len(
            self.ledger.ended
        )
        done = Counter(c.appointment_id for c, outcome in self.ledger.ended if outcome is Outcome.done)
        assert all(times == 1 for times in done.values())
        assert len({(w.day, w.doctor_id) for w in waiting}) == len(waiting)
        today = [w for w in waiting if w.day == local_day(self.now, ZONE)]
        offers = [w for w in today if w.offered_until is not None and w.offered_until > self.now]
        assert len(offers) <= 1
        assert not offers or not any(c.exclusive for c in running)
        told = Counter(self.ledger.told)
        assert all(times == 1 for times in told.values()), "two events under one key: one of them would be lost"


@pytest.mark.parametrize("offer", [timedelta(seconds=60), timedelta(0)], ids=["reserved", "first-to-start"])
@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(before_midnight=st.sampled_from(BEFORE_MIDNIGHT), is_busy=st.booleans(), day=steps)
def test_the_rules_hold_whatever_happens_and_whenever(
    offer: timedelta, before_midnight: timedelta, is_busy: bool, day: list[Any]
) -> None:
    clinic = Clinic(Limits(offer=offer), before_midnight)
    if is_busy:
        clinic.fill_up()

    for pause, message, (on_time, word_passes, up_to_date, time_decides) in day:
        clinic.pass_time(pause, on_time=on_time)
        clinic.say(message, up_to_date=up_to_date)
        if word_passes:
            clinic.pass_word_on()
        if time_decides:
            clinic.let_time_decide()
