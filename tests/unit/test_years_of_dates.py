"""The first and the last year of the times and dates in requests. The bounds hold in UTC, in which times are stored."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from patient_visit_engine.api.schema.bodies import StartConsultation
from patient_visit_engine.api.schema.master_data_requests import PutAppointment, PutPatient
from patient_visit_engine.api.schema.queries import DayQuery, PatientsQuery
from patient_visit_engine.visit.calendar import to_rfc3339

IDS = {"patient_id": 1, "doctor_id": 7}
APPOINTMENT = {**IDS, "prestation_id": 11, "scheduled_at": "2026-03-02T09:00:00Z"}
START = {**IDS, "appointment_id": 1}
#: The body of a request, a valid content, and its field with a time.
TIMES: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (PutAppointment, APPOINTMENT, "scheduled_at"),
    (PutAppointment, APPOINTMENT, "as_of"),
    (StartConsultation, START, "valid_until"),
]
DATES: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (PutPatient, {"last_name": "Doe"}, "birth_date"),
    (PatientsQuery, {}, "birth_date"),
    (DayQuery, {}, "date"),
]


@pytest.mark.parametrize(("model", "body", "field"), TIMES)
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("1800-01-01T00:00:00Z", "1800-01-01T00:00:00.000Z"),
        ("1799-12-31T23:59:00-00:01", "1800-01-01T00:00:00.000Z"),
        ("2200-12-31T23:59:59.999Z", "2200-12-31T23:59:59.999Z"),
        ("2201-01-01T00:00:00+00:01", "2200-12-31T23:59:00.000Z"),
        ("1800-01-01T00:00:00+23:59", None),
        ("1799-12-31T23:59:59Z", None),
        ("2200-12-31T23:59:59-00:01", None),
        ("0001-01-01T00:00:00+00:01", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("0000-01-01T00:00:00Z", None),
    ],
)
def test_time_is_bounded_in_utc(
    model: type[BaseModel], body: dict[str, Any], field: str, text: str, stored: str | None
) -> None:
    content = body | {field: text}

    if stored is None:
        with pytest.raises(ValidationError) as refused:
            model.model_validate(content)
        assert [error["loc"] for error in refused.value.errors()] == [(field,)]
    else:
        assert to_rfc3339(getattr(model.model_validate(content), field)) == stored


@pytest.mark.parametrize(("model", "body", "field"), DATES)
@pytest.mark.parametrize(
    ("text", "is_valid"),
    [("1800-01-01", True), ("2200-12-31", True), ("1799-12-31", False), ("2201-01-01", False), ("0000-01-01", False)],
)
def test_date_is_bounded(model: type[BaseModel], body: dict[str, Any], field: str, text: str, is_valid: bool) -> None:
    content = body | {field: text}

    if is_valid:
        assert str(getattr(model.model_validate(content), field)) == text
    else:
        with pytest.raises(ValidationError):
            model.model_validate(content)
