"""Every answer as clients get it: status, body and location, field by field."""

from collections.abc import Mapping
from typing import Any

import pytest

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.visit.decisions import (
    ConsultationAnswer,
    ConsultationEndedAnswer,
    NotInLine,
    PlaceInLine,
    Refused,
    StatusAnswer,
    TrackingAnswer,
)
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    AppointmentMismatch,
    NotCheckedIn,
    NotCheckedOut,
    NothingOpen,
    NotInConsultation,
    NotYours,
    PatientFree,
    PatientInConsultation,
    PatientReserved,
    RequestExpired,
    TooLate,
)
from patient_visit_engine.wire.answers import RenderedAnswer, render
from patient_visit_engine.wire.refusals import TITLES, AnswerContext
from patient_visit_engine.wire.trackings import TrackingRow, consultation_body
from tests.support.builders import (
    A_DOCTORS_ACCOUNT,
    DR_AMRANI,
    DR_SMITH,
    JOHN_DOE,
    NOON,
    a_consultation,
    an_appointment,
    an_event_context,
    minutes,
)

WITH_SMITH = a_consultation(an_appointment(DR_SMITH))
AT = NOON + minutes(14)
STARTED_AT, ASKED_AT, DUE_AT = (f"2026-03-02T11:{minute}:00.000Z" for minute in ("00", "14", "20"))


def a_row(outcome: Outcome | None = None) -> TrackingRow:
    """The row of Dr. Smith's consultation, in progress or ended at 12:14."""
    return TrackingRow(
        id=1,
        patient_id=JOHN_DOE.id,
        appointment_id=WITH_SMITH.appointment_id,
        consultation_id=WITH_SMITH.id,
        prestation_id=WITH_SMITH.prestation_id,
        doctor_id=DR_SMITH.id,
        status=TrackingStatus.in_progress if outcome is None else TrackingStatus.completed,
        outcome=outcome,
        check_in_time=NOON,
        check_out_time=None if outcome is None else AT,
        created_by=str(A_DOCTORS_ACCOUNT),
        started_at=NOON,
        overdue_at=WITH_SMITH.overdue_at,
    )


def render_answer(answer: Any, row: TrackingRow | None = None) -> RenderedAnswer:
    """Render the answer to request `abc` at 12:14."""
    return render(answer, AnswerContext(an_event_context(AT), "abc", row))


def refusal_body(refusal: Any, row: TrackingRow | None = None) -> Mapping[str, Any]:
    """The body of a refusal with status 409."""
    answer = render_answer(Refused(refusal=refusal), row)
    assert answer.status == 409
    assert answer.body is not None
    return answer.body


HOLDER = {
    "in_consultation": True,
    "active_doctor": "Dr. Smith",
    "active_doctor_id": 456,
    "prestation": "Cardiology",
    "consultation_id": WITH_SMITH.id,
    "started_at": STARTED_AT,
    "elapsed_seconds": 840,
}


OF_JOHN = {"family_name": "Doe", "birth_date": "1974-05", "record_number": "P-017"}


def test_refused_start_has_fields_of_all_clients() -> None:
    body = refusal_body(PatientInConsultation(holder=WITH_SMITH))

    assert body == HOLDER | {
        "type": "about:blank",
        "title": "Patient is in another consultation",
        "status": 409,
        "detail": "Patient John Doe is currently in consultation with Dr. Smith for Cardiology."
        " Please wait until the consultation is completed.",
        "code": "patient_in_consultation",
        "success": False,
        "message": "Patient is currently in another consultation."
        " Please wait until the current consultation is complete.",
        "actions": ["wait"],
        **OF_JOHN,
        "position": None,
        "request_id": "abc",
    }


def test_waiting_doctor_gets_position_and_leave() -> None:
    body = refusal_body(PatientInConsultation(holder=WITH_SMITH, position=2))

    assert (body["position"], body["actions"]) == (2, ["leave"])


def test_elapsed_time_is_never_negative() -> None:
    body = refusal_body(
        PatientInConsultation(holder=a_consultation(an_appointment(DR_SMITH), started_at=NOON + minutes(15)))
    )

    assert body["elapsed_seconds"] == 0


def test_appointment_in_progress_names_its_doctor() -> None:
    body = refusal_body(AppointmentInProgress(holder=WITH_SMITH))

    detail = "The appointment is in progress with Dr. Smith for Cardiology."
    assert body == HOLDER | {
        "type": "about:blank",
        "title": "Appointment is in progress",
        "status": 409,
        "detail": detail,
        "code": "appointment_in_progress",
        "success": False,
        "message": detail,
        "until": DUE_AT,
        "request_id": "abc",
    }


def test_reserved_patient_names_doctor_and_end() -> None:
    body = refusal_body(PatientReserved(doctor_id=DR_AMRANI.id, until=WITH_SMITH.overdue_at))

    detail = f"Patient John Doe is reserved for Dr. Amrani until {DUE_AT}."
    assert body == {
        "type": "about:blank",
        "title": "Patient is reserved for another doctor",
        **OF_JOHN,
        "status": 409,
        "detail": detail,
        "code": "patient_reserved",
        "success": False,
        "in_consultation": False,
        "message": detail,
        "active_doctor": "Dr. Amrani",
        "active_doctor_id": 7,
        "reserved_for": "Dr. Amrani",
        "reserved_for_id": 7,
        "until": DUE_AT,
        "actions": ["wait"],
        "position": None,
        "request_id": "abc",
    }


def test_closed_appointment_names_doctor_and_end() -> None:
    body = refusal_body(AppointmentClosed(status=AppointmentStatus.done), a_row(Outcome.done))

    assert body == {
        "type": "about:blank",
        "title": "Appointment is closed",
        "status": 409,
        "detail": "The appointment is done.",
        "code": "appointment_closed",
        "success": False,
        "in_consultation": False,
        "message": "The appointment is done.",
        "appointment_status": "done",
        "active_doctor": "Dr. Smith",
        "active_doctor_id": 456,
        "prestation": "Cardiology",
        "completed_at": ASKED_AT,
        "request_id": "abc",
    }


def test_canceled_appointment_names_no_doctor() -> None:
    body = refusal_body(AppointmentClosed(status=AppointmentStatus.canceled))

    assert (body["appointment_status"], body["active_doctor"], body["completed_at"]) == ("canceled", None, None)


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (NotYours(), 403, "not_yours"),
        (AppointmentMismatch(), 422, "appointment_mismatch"),
        (PatientFree(), 409, "patient_free"),
        (NotCheckedIn(), 409, "not_checked_in"),
        (NotCheckedOut(), 409, "not_checked_out"),
        (NothingOpen(), 409, "nothing_open"),
        (TooLate(), 409, "too_late"),
        (NotInConsultation(), 409, "not_in_consultation"),
        (RequestExpired(), 409, "request_expired"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_simple_refusal_has_its_title_as_detail(refusal: Any, status: int, code: str) -> None:
    answer = render_answer(Refused(refusal=refusal))

    title = TITLES[type(refusal)]
    assert answer == RenderedAnswer(
        status,
        {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": title,
            "code": code,
            "success": False,
            "in_consultation": False,
            "message": title,
            "request_id": "abc",
        },
    )


CONSULTATION = {
    "id": WITH_SMITH.id,
    "patient_id": 123,
    "doctor_id": 456,
    "appointment_id": WITH_SMITH.appointment_id,
    "prestation_id": 11,
    "status": "in_progress",
    "started_at": STARTED_AT,
    "completed_at": None,
    "outcome": None,
    "overdue_at": DUE_AT,
}


@pytest.mark.parametrize(("created", "status"), [(True, 201), (False, 200)], ids=["new", "already yours"])
def test_started_consultation_has_location(created: bool, status: int) -> None:
    answer = render_answer(ConsultationAnswer(consultation=WITH_SMITH, created=created))

    assert answer == RenderedAnswer(status, CONSULTATION, f"/api/consultations/{WITH_SMITH.id}")
    assert consultation_body(a_row()) == CONSULTATION


@pytest.mark.parametrize("outcome", [Outcome.done, Outcome.released])
def test_ended_consultation_is_returned(outcome: Outcome) -> None:
    answer = render_answer(
        ConsultationEndedAnswer(consultation_id=WITH_SMITH.id, success_outcome=outcome), a_row(outcome)
    )

    end_fields = {"status": "completed", "completed_at": ASKED_AT, "outcome": outcome.value}
    assert answer == RenderedAnswer(200, CONSULTATION | end_fields)


@pytest.mark.parametrize(
    ("success_outcome", "outcome"),
    [(Outcome.done, Outcome.released), (Outcome.done, Outcome.timed_out), (None, Outcome.done)],
    ids=["completed after a release", "completed after a timeout", "extended after the end"],
)
def test_other_end_gives_outcome_and_time(success_outcome: Outcome | None, outcome: Outcome) -> None:
    answer = render_answer(
        ConsultationEndedAnswer(consultation_id=WITH_SMITH.id, success_outcome=success_outcome), a_row(outcome)
    )

    assert answer.status == 409
    assert answer.body is not None
    assert answer.body["code"] == "consultation_ended"
    assert (answer.body["outcome"], answer.body["completed_at"]) == (outcome.value, ASKED_AT)


@pytest.mark.parametrize(("created", "status"), [(True, 201), (False, 200)], ids=["new", "the same one"])
def test_check_in_returns_its_tracking(created: bool, status: int) -> None:
    answer = render_answer(TrackingAnswer(appointment_id=1, created=created), a_row())

    assert answer == RenderedAnswer(
        status,
        {
            "id": 1,
            "patient_id": 123,
            "appointment_id": WITH_SMITH.appointment_id,
            "consultation_id": WITH_SMITH.id,
            "prestation_id": 11,
            "doctor_id": 456,
            "status": "in_progress",
            "outcome": None,
            "check_in_time": STARTED_AT,
            "check_out_time": None,
            "created_by": "3",
            "ticket": None,
        },
    )


def test_status_and_line_have_short_answers() -> None:
    status = StatusAnswer(appointment_id=5, status=AppointmentStatus.canceled)

    assert render_answer(status) == RenderedAnswer(200, {"appointment_id": 5, "status": "canceled", "status_code": 2})
    assert render_answer(PlaceInLine(position=3)) == RenderedAnswer(200, {"position": 3})
    assert render_answer(NotInLine()) == RenderedAnswer(204, None)
