"""The tables of the master data: patients, doctors, prestations and appointments."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    text,
)
from sqlalchemy.engine.default import DefaultExecutionContext

from patient_visit_engine.storage.tables.columns import Timestamp, metadata


def _own_id(context: DefaultExecutionContext) -> object:
    """The default of `person_id`: the new record's own id."""
    parameters: dict[str, object] = context.get_current_parameters()  # type: ignore[no-untyped-call]
    return parameters["id"]


def _version_and_time() -> tuple[Column[int], Column[datetime]]:
    """The number of the record's state, and the time at which its source knew this state."""
    return Column("version", Integer, nullable=False, server_default=text("1")), Column("as_of", Timestamp)


patients = Table(
    "patients",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # Many people have one name only.
    Column("first_name", String(200)),
    Column("last_name", String(200)),
    # "1980", "1980-02" or "1980-02-03": often only the year or the month is known.
    Column("birth_date", String(10)),
    # Records of one person have one `person_id`. A record that is not merged is its own person.
    Column("person_id", ForeignKey("patients.id"), nullable=False, default=_own_id),
    Column("sex", String(10)),
    # The value of the identifier by which staff know the record. It is shown next to the name.
    Column("record_number", String(200)),
    *_version_and_time(),
    CheckConstraint("first_name IS NOT NULL OR last_name IS NOT NULL", name="a_patient_has_a_name"),
    CheckConstraint("sex IN ('male', 'female', 'other', 'unknown')", name="a_sex_is_known"),
    Index("patients_by_person", "person_id"),
)

doctors = Table(
    "doctors",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("specialization", String(200)),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("department_id", BigInteger),
    *_version_and_time(),
    # The room in which the doctor usually works.
    Column("room", String(200)),
    # The end of the doctor's last call.
    Column("call_until", Timestamp),
    # The room in which the doctor sits on the day `day_room_on`, instead of the usual one.
    Column("day_room", String(200)),
    Column("day_room_on", Date),
    # The appointment whose patient the doctor has called last.
    Column("called_appointment_id", BigInteger),
)

prestations = Table(
    "prestations",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("exclusive", Boolean, nullable=False),
    Column("expected_minutes", Integer, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("department_id", BigInteger),
    *_version_and_time(),
    CheckConstraint("expected_minutes > 0", name="a_prestation_takes_time"),
)

appointments = Table(
    "appointments",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id"), nullable=False),
    Column("prestation_id", ForeignKey("prestations.id"), nullable=False),
    Column("scheduled_at", Timestamp, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("origin", String(20), nullable=False, server_default="booked"),
    # Minutes. When null, those of the prestation.
    Column("expected_minutes", Integer),
    # The status before the last check-in, start without a check-in, or cancellation. Undoing that gives it back.
    Column("earlier_status", SmallInteger),
    Column("department_id", BigInteger),
    *_version_and_time(),
    # When it was canceled, and why. Null when it is not canceled, and the reason also when another system has canceled it.
    Column("canceled_at", Timestamp),
    # When the patient was called last.
    Column("called_at", Timestamp),
    Column("cancel_reason", String(20)),
    # 1 (most urgent) to 5. When null, the appointment has none.
    Column("priority", SmallInteger),
    # How many calls of the patient were not answered, and behind which appointment the patient stands for that. The appointment itself:
    # it was moved or canceled during its last call.
    Column("no_answers", SmallInteger, nullable=False, server_default=text("0")),
    Column("behind_id", BigInteger),
    CheckConstraint("priority BETWEEN 1 AND 5", name="a_priority_is_known"),
    CheckConstraint("origin IN ('booked', 'walk_in')", name="an_appointment_has_a_known_origin"),
    CheckConstraint("expected_minutes > 0", name="an_appointment_takes_time"),
    CheckConstraint("earlier_status BETWEEN 0 AND 5", name="an_earlier_status_is_known"),
    CheckConstraint("status BETWEEN 0 AND 5", name="an_appointment_has_a_known_status"),
    CheckConstraint(
        "cancel_reason IN ('patient', 'clinic', 'no_show', 'other')", name="a_cancellation_has_a_known_reason"
    ),
    Index("appointments_by_time", "scheduled_at", "id"),
    Index("appointments_by_doctor", "doctor_id", "scheduled_at"),
    Index("appointments_by_patient", "patient_id", "scheduled_at"),
)
