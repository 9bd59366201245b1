"""The locks of one decision on PostgreSQL, all taken by one statement. SQLite has one writer and needs none.

The lock order of every transaction is: persons by id, doctor, appointment, prestation, head of the event log. Without one order two
transactions can deadlock. docs/architecture.md has the locks of each writer, and tests/ledger/test_lock_order.py checks them.
"""

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, bindparam, or_, select

from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from patient_visit_engine.visit.record import LedgerEntry


def _id(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger())


def _then(lock: Select[int], key: ColumnElement[int]) -> ColumnElement[int]:
    """The key, once the row of `lock` is locked. A search for a row by this key waits for that lock."""
    return lock.with_only_columns(key, maintain_column_froms=True).scalar_subquery()


def _lock_doctor(doctor_id: ColumnElement[int]) -> Select[int]:
    # Without this lock, two visits could both start a consultation of the doctor, or call a patient for the doctor, and neither would
    # see the other.
    return select(doctors.c.id).where(doctors.c.id == doctor_id).with_for_update(key_share=True)


def _lock_appointment_and_prestation(appointment_id: ColumnElement[int]) -> Select[int]:
    appointment = select(appointments.c.prestation_id).where(appointments.c.id == appointment_id)
    prestation_id = appointment.with_for_update(key_share=True).scalar_subquery()
    # The lock on the prestation is shared, so starts do not wait for each other.
    return select(prestations.c.id).where(prestations.c.id == prestation_id).with_for_update(read=True)


# Each lock is a subquery of the next one, which needs its result. This is what makes the order certain.
LOCK_PATIENT = select(patients.c.id).where(patients.c.id == _id("patient_id")).with_for_update(key_share=True)
LOCK_PATIENTS = (
    select(patients.c.id)
    .where(or_(patients.c.id == _id("patient_id"), patients.c.id == _id("new_patient_id")))
    .order_by(patients.c.id)
    .with_for_update(key_share=True)
)
_BOTH = patients.c.id.in_((_id("patient_id"), _id("retired_id")))
# All records of both persons, because a merge or a separation writes them all.
LOCK_RECORDS = (
    select(patients.c.id)
    .where(or_(_BOTH, patients.c.person_id.in_(select(patients.c.person_id).where(_BOTH))))
    .order_by(patients.c.id)
    .with_for_update(key_share=True)
)
LOCK_FOR_APPOINTMENT = _lock_appointment_and_prestation(_then(LOCK_PATIENT, _id("appointment_id")))
LOCK_FOR_EXCLUSIVE_START = _lock_appointment_and_prestation(
    _then(_lock_doctor(_then(LOCK_PATIENT, _id("doctor_id"))), _id("appointment_id"))
)


def lock_rows(connection: Connection, entry: LedgerEntry) -> int | None:
    """Lock the rows that the decision depends on until the end of the transaction. Returns the id of the locked prestation.

    Read the rows with a later statement. A statement sees what was committed before it began, and this one may have waited. For the
    same reason it does not lock an appointment or a prestation that was created during its wait. Then it returns None.
    """
    if entry.retired is not None:
        connection.execute(LOCK_RECORDS, {"patient_id": entry.patient_id, "retired_id": entry.retired.id})
        return None
    if entry.appointment is None:
        connection.execute(LOCK_PATIENT, {"patient_id": entry.patient_id})
        return None
    if entry.new_patient_id is not None:
        # Before the next statement, which locks the visit's patient only.
        connection.execute(LOCK_PATIENTS, {"patient_id": entry.patient_id, "new_patient_id": entry.new_patient_id})
    values = {"patient_id": entry.patient_id, "appointment_id": entry.appointment.id}
    if entry.busy_with is None and entry.call is None:
        return connection.scalar(LOCK_FOR_APPOINTMENT, values)
    return connection.scalar(LOCK_FOR_EXCLUSIVE_START, values | {"doctor_id": entry.appointment.doctor_id})
