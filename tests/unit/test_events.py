"""The events of each change, field by field, with their channels."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from patient_visit_engine.visit import changes, consultation_changes, line_changes
from patient_visit_engine.visit.appointment import AppointmentFields
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Outcome, RescueReason
from patient_visit_engine.visit.facts import PendingTracking
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    PatientInConsultation,
    PatientReserved,
)
from patient_visit_engine.wire.event_context import Event
from patient_visit_engine.wire.events import events_of
from patient_visit_engine.wire.timeline import timeline_row
from tests.support.builders import (
    DR_AMRANI,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    a_consultation,
    a_place,
    a_reservation,
    an_appointment,
    an_event_context,
    minutes,
    paused,
)

APPOINTMENT = an_appointment(DR_AMRANI)
RUNNING = a_consultation(APPOINTMENT)
PLACE = a_place(DR_AMRANI)
OFFER = line_changes.OfferPatient(place=PLACE, until=NOON + minutes(36))
AT = NOON + minutes(35)
MERGE = changes.RetireRecord(retired_id=MARIA_SILVA.id, record_ids=(MARIA_SILVA.id, 7), both_in_consultation=True)
SEPARATION = changes.RestoreRecord(restored_id=MARIA_SILVA.id, record_ids=(MARIA_SILVA.id, 7))
OF_JOHN = {
    "patient_id": 123,
    "patient_name": "John Doe",
    "family_name": "Doe",
    "birth_date": "1974-05",
    "record_number": "P-017",
    "timestamp": "2026-03-02T11:35:00.000Z",
}
OF_THE_CONSULTATION = OF_JOHN | {
    "doctor_id": 7,
    "doctor_name": "Dr. Amrani",
    "appointment_id": APPOINTMENT.id,
    "consultation_id": RUNNING.id,
    "prestation_id": 11,
    "prestation": "Cardiology",
    "exclusive": True,
    "started_at": "2026-03-02T11:00:00.000Z",
    "overdue_at": "2026-03-02T11:20:00.000Z",
}
BLOCKED = PatientInConsultation(holder=a_consultation(an_appointment(DR_SMITH)))


def events_for(change: Any) -> list[Event]:
    """The events of this change, at 12:35."""
    return list(events_of(change, an_event_context(AT, "the-request")))


def names_and_channels(events: list[Event]) -> list[tuple[str, str]]:
    """Name and channel of each event, in order."""
    return [(event.name, event.channel) for event in events]


EVERY_CHANGE: dict[Any, Any] = {
    type(change): change
    for change in (
        consultation_changes.OpenConsultation(consultation=RUNNING),
        consultation_changes.EndConsultation(consultation=RUNNING, outcome=Outcome.done),
        consultation_changes.ReopenConsultation(consultation=RUNNING),
        consultation_changes.PauseConsultation(consultation=paused(RUNNING)),
        consultation_changes.ResumeConsultation(consultation=RUNNING, paused_at=NOON),
        consultation_changes.PostponePauseLimit(consultation=paused(RUNNING)),
        consultation_changes.TransferConsultation(
            consultation=RUNNING, to_doctor_id=DR_SMITH.id, reservation=a_reservation(DR_SMITH, NOON)
        ),
        changes.NoteCall(appointment=APPOINTMENT, until=NOON, reservation=a_reservation(DR_AMRANI, NOON)),
        changes.WriteNoAnswers(appointment=APPOINTMENT, no_answers=1, behind_id=2),
        line_changes.PostponeReservation(reservation=a_reservation(DR_SMITH, NOON)),
        consultation_changes.PostponeConsultation(consultation=RUNNING, minutes=10),
        consultation_changes.RemindHolder(consultation=RUNNING),
        changes.CarryOver(day=RUNNING.day),
        changes.PostponeNotSeen(
            tracking=PendingTracking(appointment_id=APPOINTMENT.id, day=RUNNING.day, not_seen_at=NOON)
        ),
        changes.OpenTracking(appointment=APPOINTMENT),
        changes.AddWalkIn(appointment=APPOINTMENT),
        consultation_changes.WaitAgain(consultation=RUNNING),
        changes.CloseTracking(
            appointment_id=APPOINTMENT.id, outcome=Outcome.cancelled, status=AppointmentStatus.canceled
        ),
        changes.WriteAppointmentStatus(appointment_id=APPOINTMENT.id, status=AppointmentStatus.scheduled),
        changes.WritePriority(appointment=APPOINTMENT, priority=1),
        changes.RewriteAppointment(
            appointment=APPOINTMENT, new_fields=AppointmentFields(doctor_id=DR_SMITH.id, scheduled_at=NOON)
        ),
        line_changes.JoinLine(place=a_place(DR_AMRANI)),
        MERGE,
        SEPARATION,
        line_changes.LeaveLine(place=PLACE, why="left"),
        OFFER,
        line_changes.EndReservation(reservation=a_reservation(DR_AMRANI, AT), why="expired"),
        line_changes.MoveDown(place=PLACE),
        line_changes.WithdrawOffer(place=a_place(DR_AMRANI)),
        changes.NoteRefusal(appointment=APPOINTMENT, refusal=BLOCKED),
        changes.NoteRescue(reason=RescueReason.foreign_workflow),
    )
}


def test_blocked_holder_reads_about_the_own_consultation() -> None:
    own = PatientInConsultation(holder=RUNNING, is_own=True)

    (event,) = events_for(changes.NoteRefusal(appointment=APPOINTMENT, refusal=own))

    assert event.data["message"] == "You are still in consultation with John Doe"


@pytest.mark.parametrize("kind", get_args(get_args(changes.Change)[0]))
def test_every_change_has_events_and_timeline_row(kind: Any) -> None:
    change = EVERY_CHANGE[kind]

    events, row = events_for(change), timeline_row(change)

    assert all(event.patient_id == (None if event.channel == "wall" else JOHN_DOE.id) for event in events)
    assert row.event
    assert "John" not in str(row), "the timeline must contain ids and no names"
    assert not any("John" in event.dedup_key or len(event.dedup_key) > 200 for event in events)


def test_start_is_sent_to_all_staff() -> None:
    (event,) = events_for(consultation_changes.OpenConsultation(consultation=RUNNING))

    assert (event.name, event.channel, event.consultation_id) == ("consultation.started", "consultations", RUNNING.id)
    assert event.data == OF_THE_CONSULTATION | {"message": "Patient John Doe is now in consultation with Dr. Amrani"}


def test_completion_is_sent_to_all_staff() -> None:
    (event,) = events_for(consultation_changes.EndConsultation(consultation=RUNNING, outcome=Outcome.done))

    assert (event.name, event.channel) == ("consultation.completed", "consultations")
    assert event.data == OF_THE_CONSULTATION | {
        "message": "Patient John Doe consultation completed",
        "outcome": "done",
        "completed_at": "2026-03-02T11:35:00.000Z",
    }


@pytest.mark.parametrize("outcome", [Outcome.released, Outcome.timed_out])
def test_release_or_timeout_goes_to_holder_too(outcome: Outcome) -> None:
    context = replace(an_event_context(AT, "the-request"), caller_name="Lena Moreau", reason="gone home")

    completed, released = events_of(
        consultation_changes.EndConsultation(consultation=RUNNING, outcome=outcome), context
    )

    assert names_and_channels([completed, released]) == [
        ("consultation.completed", "consultations"),
        ("consultation.released", "doctor.7"),
    ]
    assert completed.data["outcome"] == released.data["outcome"] == outcome.value
    assert released.data.keys() >= {"patient_id", "patient_name", "message", "timestamp", "consultation_id"}
    assert released.data["message"] != completed.data["message"]
    # A decision of a supervisor can also contain a timeout. It was not the supervisor who ended that consultation.
    by_supervisor = ("Lena Moreau", "gone home") if outcome is Outcome.released else (None, None)
    assert (released.data["by_name"], released.data["reason"]) == by_supervisor
    assert completed.data.keys().isdisjoint({"by_name", "reason"})


@pytest.mark.parametrize("outcome", [Outcome.mistaken, Outcome.transferred])
def test_holder_learns_which_supervisor_did_it(outcome: Outcome) -> None:
    context = replace(an_event_context(AT, "the-request"), caller_name="Lena Moreau")
    by_its_doctor = consultation_changes.EndConsultation(consultation=RUNNING, outcome=outcome)

    completed, released = events_of(by_its_doctor.model_copy(update={"by_supervisor": True}), context)

    assert [event.name for event in events_of(by_its_doctor, context)] == ["consultation.completed"]
    assert (released.channel, released.data["outcome"]) == ("doctor.7", outcome.value)
    assert (released.data["by_name"], released.data["reason"]) == ("Lena Moreau", None)
    assert "by_name" not in completed.data


def test_refusal_is_sent_only_to_refused_doctor() -> None:
    (event,) = events_for(changes.NoteRefusal(appointment=APPOINTMENT, refusal=BLOCKED))

    assert (event.name, event.channel) == ("consultation.blocked", "doctor.7")
    assert event.data == OF_JOHN | {
        "message": "Patient John Doe is currently in consultation with Dr. Smith",
        "active_doctor_id": 456,
        "active_doctor_name": "Dr. Smith",
        "prestation": "Cardiology",
        "consultation_id": BLOCKED.holder.id,
        "started_at": "2026-03-02T11:00:00.000Z",
        "appointment_id": APPOINTMENT.id,
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
def test_only_busy_patient_makes_a_blocked_event(refusal: Any) -> None:
    assert events_for(changes.NoteRefusal(appointment=APPOINTMENT, refusal=refusal)) == []


def test_offer_goes_to_doctor_reservation_to_all() -> None:
    available, reserved = events_for(OFFER)

    assert names_and_channels([available, reserved]) == [
        ("consultation.available", "doctor.7"),
        ("patient.updated", "consultations"),
    ]
    assert available.data == OF_JOHN | {
        "message": "Patient John Doe is free for you",
        "doctor_id": 7,
        "appointment_id": APPOINTMENT.id,
        "offer_until": "2026-03-02T11:36:00.000Z",
    }
    assert reserved.data == OF_JOHN | {
        "message": "Patient John Doe is reserved",
        "doctor_id": 7,
        "doctor_name": "Dr. Amrani",
        "offer_until": "2026-03-02T11:36:00.000Z",
    }


@pytest.mark.parametrize(
    ("why", "reason"),
    [("passed", "missed"), ("canceled", "cancelled"), ("checked_out", "left"), ("moved", "moved"), ("left", None)],
)
def test_doctor_learns_that_the_place_is_gone(why: Any, reason: str | None) -> None:
    _updated, *ended = events_for(line_changes.LeaveLine(place=PLACE, why=why))

    assert [(event.name, event.channel, event.data["reason"]) for event in ended] == (
        [] if reason is None else [("waiting.ended", "doctor.7", reason)]
    )


def rewritten(**fields: Any) -> list[Event]:
    """The events of a PUT of Dr. Amrani's appointment with John Doe, which may give it to Maria Silva."""
    change = changes.RewriteAppointment(appointment=APPOINTMENT, new_fields=AppointmentFields(**fields))
    context = replace(an_event_context(AT, "the-request"), other_patients={MARIA_SILVA.id: MARIA_SILVA.identity})
    return list(events_of(change, context))


@pytest.mark.parametrize(
    ("fields", "lists"),
    [
        ({"scheduled_at": NOON}, [("John Doe", 7)]),
        ({"doctor_id": DR_SMITH.id}, [("John Doe", 7), ("John Doe", 456)]),
        ({"patient_id": MARIA_SILVA.id}, [("John Doe", 7), ("Maria Silva", 7)]),
        ({"patient_id": MARIA_SILVA.id, "doctor_id": DR_SMITH.id}, [("John Doe", 7), ("Maria Silva", 456)]),
    ],
    ids=["time", "doctor", "patient", "both"],
)
def test_changed_appointment_is_sent_to_both_lists(fields: dict[str, Any], lists: list[tuple[str, int]]) -> None:
    events = rewritten(**fields)

    assert [(event.data["patient_name"], event.data["doctor_id"]) for event in events] == lists
    assert {event.name for event in events} == {"appointment.updated"}
    assert len({event.dedup_key for event in events}) == len(events)


def test_changed_appointment_has_new_status() -> None:
    (event,) = rewritten(status=AppointmentStatus.canceled)

    assert (event.data["status"], event.data["status_code"]) == ("canceled", 2)


def test_offer_without_reservation_goes_to_doctor() -> None:
    events = events_for(line_changes.OfferPatient(place=PLACE))

    assert names_and_channels(events) == [("consultation.available", "doctor.7")]


def test_each_reminder_is_an_event_with_its_delay() -> None:
    first, second = (
        events_for(consultation_changes.RemindHolder(consultation=RUNNING.model_copy(update={"reminders": count})))[0]
        for count in (1, 2)
    )

    assert (first.name, first.channel) == ("consultation.overdue", "doctor.7")
    assert first.data == OF_THE_CONSULTATION | {
        "message": "Your consultation with patient John Doe is over its expected time",
        "overdue_minutes": 15,
    }
    assert first.dedup_key != second.dedup_key


@pytest.mark.parametrize(
    ("change", "status", "code", "extra"),
    [
        (EVERY_CHANGE[changes.OpenTracking], "pending", 3, {}),
        (EVERY_CHANGE[changes.AddWalkIn], "pending", 3, {}),
        (EVERY_CHANGE[changes.CloseTracking], "canceled", 2, {"outcome": "cancelled"}),
        (EVERY_CHANGE[changes.WriteAppointmentStatus], "scheduled", 0, {}),
    ],
    ids=["check-in", "walk-in", "check-out", "status"],
)
def test_appointment_change_is_sent_to_all_staff(change: Any, status: str, code: int, extra: dict[str, str]) -> None:
    (event,) = events_for(change)

    assert (event.name, event.channel) == ("appointment.updated", "consultations")
    assert event.data == OF_JOHN | extra | {
        "message": "Patient John Doe appointment updated",
        "appointment_id": APPOINTMENT.id,
        "status": status,
        "status_code": code,
    }


@pytest.mark.parametrize(
    "kind", [consultation_changes.PostponeConsultation, line_changes.JoinLine, line_changes.LeaveLine]
)
def test_patient_change_is_sent_to_all_staff(kind: Any) -> None:
    (event,) = events_for(EVERY_CHANGE[kind])

    assert (event.name, event.channel) == ("patient.updated", "consultations")
    assert event.data.keys() >= {"patient_id", "patient_name", "message", "timestamp", "doctor_id", "doctor_name"}


def test_appointment_event_has_doctor_if_known() -> None:
    change = changes.WriteAppointmentStatus(appointment_id=APPOINTMENT.id, status=AppointmentStatus.confirmed)
    context = an_event_context(AT, "the-request")

    [without_doctor] = events_of(change, context)
    [with_doctor] = events_of(change, replace(context, doctor_of={APPOINTMENT.id: DR_AMRANI.id}))

    assert "doctor_id" not in without_doctor.data
    assert with_doctor.data == dict(without_doctor.data) | {"doctor_id": DR_AMRANI.id}


@pytest.mark.parametrize("reason", [None, CancelReason.no_show])
def test_appointment_event_has_reason_of_cancellation(reason: CancelReason | None) -> None:
    canceled: dict[str, Any] = {
        "appointment_id": APPOINTMENT.id,
        "status": AppointmentStatus.canceled,
        "cancel_reason": reason,
    }

    events = [
        *events_for(changes.WriteAppointmentStatus(**canceled)),
        *events_for(changes.CloseTracking(**canceled, outcome=Outcome.cancelled)),
    ]

    assert [event.data.get("cancel_reason") for event in events] == [reason, reason]
    assert [("cancel_reason" in event.data) for event in events] == [reason is not None] * 2


@pytest.mark.parametrize("priority", [None, 2])
def test_event_of_walk_in_has_its_priority(priority: int | None) -> None:
    walk_in = APPOINTMENT.model_copy(update={"priority": priority})

    [event] = events_for(changes.AddWalkIn(appointment=walk_in))

    assert event.data.get("priority") == priority
    assert ("priority" in event.data) is (priority is not None)


def test_merge_and_separation_name_all_records() -> None:
    (merged,), (separated,) = events_for(MERGE), events_for(SEPARATION)

    assert names_and_channels([merged, separated]) == [
        ("patient.merged", "consultations"),
        ("patient.separated", "consultations"),
    ]
    message = "Record 124 was merged into patient John Doe"
    assert merged.data == OF_JOHN | {"message": message, "retired": [124, 7], "both_in_consultation": True}
    message = "Record 124 was separated from patient John Doe"
    assert separated.data == OF_JOHN | {"message": message, "retired": [124, 7], "separated_id": 124}


def test_doctor_who_has_paused_and_waits_is_notified_of_both() -> None:
    place = a_place(DR_AMRANI)
    for_line = line_changes.OfferPatient(place=place)
    for_paused = line_changes.OfferPatient(place=place, consultation_id=RUNNING.id)

    keys = {event.dedup_key for event in (*events_for(for_line), *events_for(for_paused))}

    assert len(keys) == 2
