"""The records to which an appointment refers, and what is open for it: checked under the locks of a PUT."""

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Table, bindparam, exists, or_, select

from patient_visit_engine.storage import tracking_conditions
from patient_visit_engine.storage.facts import IDENTITY_COLUMNS
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind, find_record
from patient_visit_engine.storage.master_data.records import PutOvertakenError
from patient_visit_engine.storage.person_records import find_person
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    patients,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.visit.appointment import AppointmentFields
from patient_visit_engine.wire.patient_identity import PatientIdentity


class UnknownReferenceError(Exception):
    """An appointment refers to a record that does not exist. `field` is the name of the reference."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class InactiveReferenceError(Exception):
    """A new or moved appointment refers to an inactive doctor or prestation. `field` is the name of the reference."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def find_reference(connection: Connection, kind: RecordKind, identifier: Identifier) -> int:
    """The id of the record to which an appointment refers by an identifier. Raises UnknownReferenceError."""
    record_id = find_record(connection, kind, identifier)
    if record_id is None:
        raise UnknownReferenceError(kind.value)
    return record_id


def lock_patients(connection: Connection, appointment_id: int, patient_id: int | None) -> dict[int, PatientIdentity]:
    """Lock the survivors of the new patient and of the present patient of the appointment. Returns them by id.

    Raises PutOvertakenError when a merge has retired one of them during the wait.
    """
    record = patients.alias("record")
    present = select(appointments.c.patient_id).where(appointments.c.id == appointment_id).scalar_subquery()
    is_record = record.c.id == present
    if patient_id is not None:
        is_record = or_(record.c.id == patient_id, is_record)
    is_survivor = patients.c.id.in_(select(record.c.person_id).where(is_record))
    query = select(patients.c.id, patients.c.person_id, *IDENTITY_COLUMNS).where(is_survivor)
    # In order of id. Otherwise two moves in opposite directions would lock the patients in opposite order.
    rows = connection.execute(query.order_by(patients.c.id).with_for_update(key_share=True)).all()
    if any(row.person_id != row.id for row in rows):
        # A visit locks the survivor only, so it would not wait for this transaction.
        raise PutOvertakenError
    return {row.id: PatientIdentity.of(row._mapping) for row in rows}


def of_survivor(
    connection: Connection, fields: AppointmentFields, locked: dict[int, PatientIdentity]
) -> AppointmentFields:
    """The fields with the survivor of their patient, who is locked. Raises UnknownReferenceError and PutOvertakenError."""
    if fields.patient_id is None or fields.patient_id in locked:
        return fields
    person_id = find_person(connection, fields.patient_id)
    if person_id is None:
        raise UnknownReferenceError("patient_id")
    if person_id not in locked:
        raise PutOvertakenError
    return fields.model_copy(update={"patient_id": person_id})


#: The references of an appointment to records that can be inactive, in the order in which they are checked.
CAN_BE_INACTIVE = {"doctor_id": doctors, "prestation_id": prestations}


def check_references(connection: Connection, fields: AppointmentFields) -> frozenset[str]:
    """The names of the references to inactive records. Raises UnknownReferenceError."""
    given = {name: getattr(fields, name) for name in CAN_BE_INACTIVE if getattr(fields, name) is not None}
    if not given:
        return frozenset()
    active = [_is_active(CAN_BE_INACTIVE[name], record_id).label(name) for name, record_id in given.items()]
    row = connection.execute(select(*active)).one()._mapping
    for name in given:
        if row[name] is None:
            raise UnknownReferenceError(name)
    return frozenset(name for name in given if not row[name])


def _is_active(table: Table, record_id: int) -> ScalarSelect[bool]:
    return select(table.c.active).where(table.c.id == record_id).scalar_subquery()


def refuse_inactive(inactive: frozenset[str], fields: AppointmentFields) -> None:
    """Raise InactiveReferenceError when the appointment gets an inactive doctor or prestation. It may keep one that it has."""
    if given := sorted(inactive & fields.names):
        raise InactiveReferenceError(given[0])


def _of_appointment(column: ColumnElement[int], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(column == bindparam("appointment_id"), *conditions)


IS_OPEN = select(
    _of_appointment(patient_trackings.c.appointment_id, tracking_conditions.IS_OPEN).label("is_tracked"),
    or_(_of_appointment(waiting_line.c.appointment_id), _of_appointment(reservations.c.appointment_id)).label(
        "is_awaited"
    ),
)


def read_open(connection: Connection, appointment_id: int) -> tuple[bool, bool]:
    """Whether a tracking is open for the appointment, and whether it has a place in line or a reservation."""
    row = connection.execute(IS_OPEN, {"appointment_id": appointment_id}).one()
    return row.is_tracked, row.is_awaited
