"""The table of what the hospital's own system may change of an appointment, and what happens to the waiting line."""

from datetime import timedelta
from typing import Any

import pytest

from patient_visit_engine.visit.appointment import AppointmentFields
from patient_visit_engine.visit.appointment_commands import ChangeAppointment
from patient_visit_engine.visit.changes import CloseTracking, PostponeNotSeen, RewriteAppointment
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import AppointmentAnswer, Decision, Refused
from patient_visit_engine.visit.facts import PendingTracking
from patient_visit_engine.visit.line_changes import EndReservation, LeaveLine, OfferPatient
from patient_visit_engine.visit.policy import decide, decide_on_appointment
from patient_visit_engine.visit.refusals import AppointmentMismatch
from patient_visit_engine.visit.state import VisitState
from tests.support.builders import (
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    YESTERDAY,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_change

A_DAY = timedelta(days=1)
CANCELED, DONE, PENDING = AppointmentStatus.canceled, AppointmentStatus.done, AppointmentStatus.pending
BOOKED = an_appointment(DR_AMRANI)
WITH_SMITH = a_consultation(an_appointment(DR_SMITH))

#: The columns of the table: the appointment, and what is open for it.
COLUMNS = {
    "not arrived": (BOOKED, a_visit()),
    "checked in": (BOOKED.model_copy(update={"status": PENDING}), a_visit(checked_in=[BOOKED])),
    "in consultation": (
        BOOKED.model_copy(update={"status": AppointmentStatus.in_progress}),
        a_visit(consultations=[a_consultation(BOOKED)]),
    ),
    "done": (BOOKED.model_copy(update={"status": DONE}), a_visit()),
}
OPEN, CLOSED = "tracking_open", "appointment_closed"
ROWS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (vars(BOOKED.fields), ("", "", "", "")),
    ({"scheduled_at": NOON + minutes(30)}, ("", "", "", CLOSED)),
    ({"doctor_id": DR_OKAFOR.id}, ("", "", OPEN, CLOSED)),
    ({"prestation_id": DERMATOLOGY.id}, ("", "", OPEN, CLOSED)),
    ({"patient_id": MARIA_SILVA.id}, ("", OPEN, OPEN, CLOSED)),
    ({"status": CANCELED}, ("", "", OPEN, CLOSED)),
]
CELLS = [
    pytest.param(fields, column, code, id=f"{'+'.join(fields) if len(fields) == 1 else 'none'}, {column}")
    for fields, codes in ROWS
    for column, code in zip(COLUMNS, codes, strict=True)
]


def rewritten_fields(decision: Decision) -> list[AppointmentFields]:
    return [change.new_fields for change in decision.changes if isinstance(change, RewriteAppointment)]


def doctors_who_left(decision: Decision) -> list[tuple[int, str]]:
    """The doctors who leave the line, and why."""
    return [(change.place.doctor_id, change.why) for change in decision.changes if isinstance(change, LeaveLine)]


def doctors_with_offer(decision: Decision) -> list[int]:
    return [change.place.doctor_id for change in decision.changes if isinstance(change, OfferPatient)]


@pytest.mark.parametrize(("fields", "column", "code"), CELLS)
def test_decides_each_cell_of_the_table(fields: dict[str, Any], column: str, code: str) -> None:
    appointment, visit = COLUMNS[column]

    decision = decide(a_change(appointment, **fields), visit, NOON)

    if code:
        assert isinstance(decision.answer, Refused)
        assert (decision.answer.refusal.code, decision.changes) == (code, ())
    elif len(fields) > 1:
        assert decision.answer == AppointmentAnswer(appointment=appointment)
        assert decision.changes == ()
    else:
        assert decision.answer == AppointmentAnswer(appointment=appointment.model_copy(update=fields))
        assert decision.changes != ()


def test_cancellation_closes_check_in_as_cancelled() -> None:
    appointment, visit = COLUMNS["checked in"]

    decision = decide(a_change(appointment, status=CANCELED, scheduled_at=NOON + minutes(5)), visit, NOON)

    assert decision.changes == (
        RewriteAppointment(appointment=appointment, new_fields=AppointmentFields(scheduled_at=NOON + minutes(5))),
        CloseTracking(appointment_id=appointment.id, outcome=Outcome.cancelled, status=CANCELED, sent_by_feed=True),
    )


@pytest.mark.parametrize("column", ["checked in", "in consultation", "done"])
def test_status_counts_only_before_arrival(column: str) -> None:
    appointment, visit = COLUMNS[column]

    decision = decide(a_change(appointment, status=AppointmentStatus.scheduled), visit, NOON)

    assert decision.answer == AppointmentAnswer(appointment=appointment)
    assert decision.changes == ()


def test_one_refused_field_refuses_all() -> None:
    appointment, visit = COLUMNS["checked in"]

    decision = decide(a_change(appointment, patient_id=MARIA_SILVA.id, doctor_id=DR_OKAFOR.id), visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.changes == ()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"doctor_id": DR_OKAFOR.id}, "moved"),
        ({"patient_id": MARIA_SILVA.id}, "moved"),
        ({"scheduled_at": NOON + A_DAY}, "moved"),
        ({"scheduled_at": NOON - A_DAY}, "moved"),
        ({"status": CANCELED}, "canceled"),
        ({"status": CANCELED, "doctor_id": DR_OKAFOR.id}, "canceled"),
        ({"scheduled_at": NOON + minutes(90)}, None),
        ({"prestation_id": DERMATOLOGY.id}, None),
    ],
)
def test_doctor_leaves_line_when_appointment_moves(fields: dict[str, Any], why: str | None) -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_AMRANI, DR_OKAFOR])

    decision = decide(a_change(BOOKED, **fields), visit, NOON)

    assert rewritten_fields(decision) == [AppointmentFields(**fields)]
    assert doctors_who_left(decision) == ([] if why is None else [(DR_AMRANI.id, why)])
    assert doctors_with_offer(decision) == []


@pytest.mark.parametrize(("of_day", "to_day", "leaves"), [(-2, -2, False), (-2, -1, True), (1, 1, False), (1, 2, True)])
def test_other_days_of_an_appointment_differ(of_day: int, to_day: int, leaves: bool) -> None:
    appointment = BOOKED.model_copy(update={"scheduled_at": NOON + of_day * A_DAY})
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_AMRANI])

    decision = decide(a_change(appointment, scheduled_at=NOON + to_day * A_DAY + minutes(30)), visit, NOON)

    assert doctors_who_left(decision) == ([(DR_AMRANI.id, "moved")] if leaves else [])


@pytest.mark.parametrize("in_line", [True, False], ids=["in line", "not in line"])
def test_move_ends_reservation_and_passes_offer_on(in_line: bool) -> None:
    reservation = a_reservation(DR_AMRANI, NOON + minutes(1))
    visit = a_visit(waiting=[DR_AMRANI, DR_OKAFOR] if in_line else [DR_OKAFOR], reservation=reservation)

    decision = decide(a_change(BOOKED, doctor_id=DR_SMITH.id), visit, NOON)

    assert EndReservation(reservation=reservation, why="left") in decision.changes
    assert doctors_who_left(decision) == ([(DR_AMRANI.id, "moved")] if in_line else [])
    assert doctors_with_offer(decision) == [DR_OKAFOR.id]


def test_change_keeps_reservation_of_other_appointment() -> None:
    visit = a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, NOON + minutes(1)))

    decision = decide(a_change(BOOKED, doctor_id=DR_SMITH.id), visit, NOON)

    assert [type(change) for change in decision.changes] == [RewriteAppointment]


def carried_check_in(not_seen_at: timedelta) -> VisitState:
    """The visit with a check-in of the day before. It ends so long after noon."""
    tracking = PendingTracking(
        appointment_id=BOOKED.id,
        day=DAY,
        check_in_time=NOON - A_DAY,
        scheduled_at=NOON,
        not_seen_at=NOON + not_seen_at,
    )
    visit = a_visit()
    return visit.model_copy(update={"facts": visit.facts.model_copy(update={"pending": (tracking,)})})


@pytest.mark.parametrize(
    ("scheduled_at", "not_seen_at"), [(NOON + A_DAY, NOON + A_DAY), (NOON - minutes(5), NOON + minutes(15))]
)
def test_time_limit_of_carried_check_in_follows_new_time(scheduled_at: Any, not_seen_at: Any) -> None:
    decision = decide(a_change(BOOKED, scheduled_at=scheduled_at), carried_check_in(minutes(1)), NOON)

    (postponed,) = [change for change in decision.changes if isinstance(change, PostponeNotSeen)]
    assert postponed.tracking.not_seen_at == not_seen_at
    assert postponed.tracking.scheduled_at == scheduled_at


def test_change_is_about_check_in_that_would_end_with_its_day() -> None:
    visit = a_visit()
    at_night = visit.day_starts_at - timedelta(hours=14)
    tracking = PendingTracking(appointment_id=BOOKED.id, day=YESTERDAY, check_in_time=at_night, scheduled_at=at_night)
    facts = visit.facts.model_copy(update={"pending": (tracking,)})

    decision = decide(
        a_change(BOOKED, doctor_id=DR_OKAFOR.id), visit.model_copy(update={"facts": facts}), visit.day_starts_at
    )

    assert not any(isinstance(change, CloseTracking) for change in decision.changes)


def test_other_doctor_before_decision_is_no_mismatch() -> None:
    command: ChangeAppointment = a_change(BOOKED, scheduled_at=NOON + minutes(5))
    reassigned = BOOKED.model_copy(update={"doctor_id": DR_OKAFOR.id})

    decision = decide_on_appointment(command, reassigned, a_visit(), NOON)

    assert decision.answer == AppointmentAnswer(
        appointment=reassigned.model_copy(update={"scheduled_at": NOON + minutes(5)})
    )


def test_other_patient_before_decision_is_a_mismatch() -> None:
    given_away = BOOKED.model_copy(update={"patient_id": MARIA_SILVA.id})

    decision = decide_on_appointment(a_change(BOOKED, doctor_id=DR_OKAFOR.id), given_away, a_visit(), NOON)

    assert decision.answer == Refused(refusal=AppointmentMismatch())
