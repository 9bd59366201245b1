"""What the stream tells of each change, field by field, and on whose channel."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import (
    AdoptConsultation,
    Change,
    CloseTracking,
    EndConsultation,
    JoinLine,
    LeaveLine,
    NoteRefusal,
    OfferPatient,
    OpenConsultation,
    OpenTracking,
    PostponeConsultation,
    RemindHolder,
    WithdrawOffer,
    WriteAppointmentStatus,
)
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    PatientInConsultation,
    PatientReserved,
)
from patient_visit_engine.wire.events import Event, events_of
from patient_visit_engine.wire.timeline import timeline_row
from tests.support.builders import (
    DR_AMRANI,
    DR_SMITH,
    JOHN_DOE,
    NOON,
    a_consultation,
    a_place,
    an_appointment,
    an_event_context,
    minutes,
)

MINE = an_appointment(DR_AMRANI)
RUNNING = a_consultation(MINE)
PLACE = a_place(DR_AMRANI, offered_until=NOON + minutes(36))
AT = NOON + minutes(35)
OF_JOHN = {"patient_id": 123, "patient_name": "John Doe", "timestamp": "2026-03-02T11:35:00.000Z"}
OF_THE_CONSULTATION = OF_JOHN | {
    "doctor_id": 7,
    "doctor_name": "Dr. Amrani",
    "appointment_id": MINE.id,
    "consultation_id": RUNNING.id,
    "prestation_id": 11,
    "prestation": "Cardiology",
    "exclusive": True,
    "started_at": "2026-03-02T11:00:00.000Z",
    "overdue_at": "2026-03-02T11:20:00.000Z",
}
BLOCKED = PatientInConsultation(holder=a_consultation(an_appointment(DR_SMITH)))


def told_of(change: Any) -> list[Event]:
    """The events of this change, at 12:35."""
    return list(events_of(change, an_event_context(AT, "the-request")))


def seen(events: list[Event]) -> list[tuple[str, str]]:
    """Names and channels, in order."""
    return [(event.name, event.channel) for event in events]


EVERY_CHANGE: dict[Any, Any] = {
    type(change): change
    for change in (
        OpenConsultation(consultation=RUNNING),
        EndConsultation(consultation=RUNNING, outcome=Outcome.done),
        PostponeConsultation(consultation=RUNNING, minutes=10),
        RemindHolder(consultation=RUNNING),
        AdoptConsultation(consultation=RUNNING),
        OpenTracking(appointment=MINE),
        CloseTracking(appointment_id=MINE.id, outcome=Outcome.cancelled, status=AppointmentStatus.canceled),
        WriteAppointmentStatus(appointment_id=MINE.id, status=AppointmentStatus.scheduled),
        JoinLine(place=a_place(DR_AMRANI)),
        LeaveLine(place=PLACE, why="left"),
        OfferPatient(place=PLACE),
        WithdrawOffer(place=a_place(DR_AMRANI)),
        NoteRefusal(appointment=MINE, refusal=BLOCKED),
    )
}


@pytest.mark.parametrize("kind", get_args(get_args(Change)[0]))
def test_every_change_has_its_words_and_its_line_in_the_story(kind: Any) -> None:
    change = EVERY_CHANGE[kind]

    events, moment = told_of(change), timeline_row(change)

    assert all(event.patient_id == JOHN_DOE.id for event in events)
    assert moment.event
    assert "John" not in str(moment), "the story keeps ids; names are read with it"
    assert not any("John" in event.dedup_key or len(event.dedup_key) > 200 for event in events)


def test_a_start_is_told_to_everybody() -> None:
    (event,) = told_of(OpenConsultation(consultation=RUNNING))

    assert (event.name, event.channel, event.consultation_id) == ("consultation.started", "consultations", RUNNING.id)
    assert event.data == OF_THE_CONSULTATION | {"message": "Patient John Doe is now in consultation with Dr. Amrani"}


def test_a_completion_is_told_to_everybody() -> None:
    (event,) = told_of(EndConsultation(consultation=RUNNING, outcome=Outcome.done))

    assert (event.name, event.channel) == ("consultation.completed", "consultations")
    assert event.data == OF_THE_CONSULTATION | {
        "message": "Patient John Doe consultation completed",
        "outcome": "done",
        "completed_at": "2026-03-02T11:35:00.000Z",
    }


@pytest.mark.parametrize("outcome", [Outcome.released, Outcome.timed_out])
def test_an_end_that_its_holder_did_not_ask_for_is_told_to_the_holder_too(outcome: Outcome) -> None:
    completed, released = told_of(EndConsultation(consultation=RUNNING, outcome=outcome))

    assert seen([completed, released]) == [
        ("consultation.completed", "consultations"),
        ("consultation.released", "doctor.7"),
    ]
    assert completed.data["outcome"] == released.data["outcome"] == outcome.value
    assert released.data.keys() >= {"patient_id", "patient_name", "message", "timestamp", "consultation_id"}
    assert released.data["message"] != completed.data["message"]


def test_a_refusal_is_told_to_the_doctor_who_asked_and_to_nobody_else() -> None:
    (event,) = told_of(NoteRefusal(appointment=MINE, refusal=BLOCKED))

    assert (event.name, event.channel) == ("consultation.blocked", "doctor.7")
    assert event.data == OF_JOHN | {
        "message": "Patient John Doe is currently in consultation with Dr. Smith",
        "active_doctor_id": 456,
        "active_doctor_name": "Dr. Smith",
        "prestation": "Cardiology",
        "consultation_id": BLOCKED.holder.id,
        "started_at": "2026-03-02T11:00:00.000Z",
        "appointment_id": MINE.id,
        "request_id": "the-request",
    }


@pytest.mark.parametrize(
    "refusal",
    [
        PatientReserved(doctor_id=DR_SMITH.id, until=AT),
        AppointmentClosed(status=AppointmentStatus.done),
        AppointmentInProgress(holder=RUNNING),
    ],
    ids=lambda refusal: refusal.code,
)
def test_only_a_busy_patient_makes_a_blocked_event(refusal: Any) -> None:
    assert told_of(NoteRefusal(appointment=MINE, refusal=refusal)) == []


def test_an_offer_is_told_to_its_doctor_and_the_reservation_to_everybody() -> None:
    available, reserved = told_of(OfferPatient(place=PLACE))

    assert seen([available, reserved]) == [
        ("consultation.available", "doctor.7"),
        ("patient.updated", "consultations"),
    ]
    assert available.data == OF_JOHN | {
        "message": "Patient John Doe is free for you",
        "doctor_id": 7,
        "appointment_id": MINE.id,
        "offer_until": "2026-03-02T11:36:00.000Z",
    }
    assert reserved.data == OF_JOHN | {
        "message": "Patient John Doe is reserved",
        "doctor_id": 7,
        "doctor_name": "Dr. Amrani",
        "offer_until": "2026-03-02T11:36:00.000Z",
    }


def test_an_offer_that_reserves_nothing_is_told_to_its_doctor_only() -> None:
    events = told_of(OfferPatient(place=a_place(DR_AMRANI, offered_until=AT)))

    assert seen(events) == [("consultation.available", "doctor.7")]


def test_a_reminder_says_how_late_it_is_and_each_one_is_an_event_of_its_own() -> None:
    first, second = (
        told_of(RemindHolder(consultation=RUNNING.model_copy(update={"reminders": nth})))[0] for nth in (1, 2)
    )

    assert (first.name, first.channel) == ("consultation.overdue", "doctor.7")
    assert first.data == OF_THE_CONSULTATION | {
        "message": "Your consultation with patient John Doe is over its expected time",
        "overdue_minutes": 15,
    }
    assert first.dedup_key != second.dedup_key


@pytest.mark.parametrize(
    ("change", "status", "code", "more"),
    [
        (EVERY_CHANGE[OpenTracking], "pending", 3, {}),
        (EVERY_CHANGE[CloseTracking], "canceled", 2, {"outcome": "cancelled"}),
        (EVERY_CHANGE[WriteAppointmentStatus], "scheduled", 0, {}),
    ],
    ids=["check-in", "check-out", "status"],
)
def test_what_happens_to_an_appointment_is_told_to_everybody(
    change: Any, status: str, code: int, more: dict[str, str]
) -> None:
    (event,) = told_of(change)

    assert (event.name, event.channel) == ("appointment.updated", "consultations")
    assert event.data == OF_JOHN | more | {
        "message": "Patient John Doe appointment updated",
        "appointment_id": MINE.id,
        "status": status,
        "status_code": code,
    }


@pytest.mark.parametrize("kind", [PostponeConsultation, JoinLine, LeaveLine])
def test_what_a_screen_shows_of_the_patient_otherwise_is_told_to_everybody(kind: Any) -> None:
    (event,) = told_of(EVERY_CHANGE[kind])

    assert (event.name, event.channel) == ("patient.updated", "consultations")
    assert event.data.keys() >= {"patient_id", "patient_name", "message", "timestamp", "doctor_id", "doctor_name"}


def test_an_appointment_is_told_with_its_doctor_where_that_is_known() -> None:
    change = WriteAppointmentStatus(appointment_id=MINE.id, status=AppointmentStatus.confirmed)
    telling = an_event_context(AT, "the-request")

    [unknown] = events_of(change, telling)
    [known] = events_of(change, replace(telling, doctor_of={MINE.id: DR_AMRANI.id}))

    assert "doctor_id" not in unknown.data
    assert known.data == unknown.data | {"doctor_id": DR_AMRANI.id}
