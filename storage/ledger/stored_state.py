"""What the ledger reads in one statement, under its locks, before it writes a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from time import perf_counter

from sqlalchemy import BigInteger, Connection, String, bindparam, func, select
from sqlalchemy.exc import NoResultFound

from patient_visit_engine.storage.busy_doctor import OTHER_CONSULTATIONS, to_other_consultations
from patient_visit_engine.storage.callers import NAME_OF_CALLER
from patient_visit_engine.storage.clock import DATABASE_NOW
from patient_visit_engine.storage.day_appointments import read_day_appointments
from patient_visit_engine.storage.departures import read_has_left
from patient_visit_engine.storage.doctor_calls import CallAndRoom, read_call, read_other_call
from patient_visit_engine.storage.facts import (
    APPOINTMENT,
    IDENTITY_COLUMNS,
    OPEN_TRACKINGS,
    PATIENT,
    PLACES,
    RESERVATIONS,
    to_appointment,
)
from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.locking import lock_rows
from patient_visit_engine.storage.ledger.refusal_counter import RECENT_REFUSAL, refusal_parameters
from patient_visit_engine.storage.ledger.request_rows import REQUEST_COLUMNS, RequestRow, to_request_row
from patient_visit_engine.storage.ledger.ticketing import (
    KNOWN_TICKETS,
    NEXT_TICKET,
    Ticket,
    choose_ticket,
    ticket_parameters,
)
from patient_visit_engine.storage.open_rows import OpenRows
from patient_visit_engine.storage.past_trackings import read_past_tracking
from patient_visit_engine.storage.person_records import PERSON_OF_RECORD, read_record
from patient_visit_engine.storage.row_unions import Columns, fetch_parts, union_rows
from patient_visit_engine.storage.tables import callers, patients, requests
from patient_visit_engine.storage.walk_ins import read_walk_in
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.facts import Facts, OtherConsultation
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.wire.patient_identity import PatientIdentity

# The second attempt sees an appointment or a prestation that was created while the first one waited.
LOCK_ATTEMPTS = 2
ENGINE_CALLER = select(callers.c.id).where(callers.c.subject == "system").scalar_subquery()
#: One row: the patient, the caller (the engine itself when a timer decides), the request if it is stored, and the time.
PATIENT_CALLER_AND_REQUEST = (
    PATIENT.add_columns(
        DATABASE_NOW.label("now"),
        callers.c.id.label("caller_id"),
        callers.c.created_by.label("created_by_text"),
        NAME_OF_CALLER.label("caller_name"),
        *REQUEST_COLUMNS,
    )
    .outerjoin_from(
        patients, callers, callers.c.id == func.coalesce(bindparam("caller_id", type_=BigInteger()), ENGINE_CALLER)
    )
    .outerjoin(requests, requests.c.request_id == bindparam("request_id", type_=String()))
)
NEW_PATIENT = select(patients.c.id.label("patient_id"), patients.c.person_id, *IDENTITY_COLUMNS).where(
    patients.c.id == bindparam("new_patient_id", type_=BigInteger())
)
STORED_STATE = union_rows(
    patient=PATIENT_CALLER_AND_REQUEST,
    tracking=OPEN_TRACKINGS,
    place=PLACES,
    reservation=RESERVATIONS,
    appointment=APPOINTMENT,
    other_consultation=OTHER_CONSULTATIONS,
    new_patient=NEW_PATIENT,
    recent_refusal=RECENT_REFUSAL,
    known_ticket=KNOWN_TICKETS,
    next_ticket=NEXT_TICKET,
)


@dataclass
class NameCache:
    """Names and patients by id, from the rows that one transaction has read."""

    doctors: dict[int, str] = field(default_factory=dict)
    prestations: dict[int, str] = field(default_factory=dict)
    #: Other patients than the one of the visit.
    patients: dict[int, PatientIdentity] = field(default_factory=dict)

    @classmethod
    def from_parts(cls, parts: Mapping[str, list[Columns]]) -> "NameCache":
        """The names in the rows of `STORED_STATE`."""
        names = cls()
        names.add(parts)
        for row in chain(parts.get("other_consultation", ()), parts.get("new_patient", ())):
            names.patients[row["patient_id"]] = PatientIdentity.of(row)
        return names

    def add(self, parts: Mapping[str, list[Columns]]) -> None:
        """Add the names of doctors and prestations in these rows."""
        for row in chain.from_iterable(parts.values()):
            if row["doctor"] is not None:
                self.doctors[row["doctor_id"]] = row["doctor"]
            if row["prestation"] is not None:
                self.prestations[row["prestation_id"]] = row["prestation"]


@dataclass(frozen=True)
class StoredState:
    """The rows that were read, and the values that they stand for.

    `facts` are those before the decision. For a retired patient they have only the survivor. `rows` change when the decision is
    written. `request_row` is None when a timer decided. Then the caller is the engine itself. `appointment`, `other_consultations`,
    `retired`, `past`, `day_appointments` and `call` are those that the decision is about, as they are now.
    `named_person_id` is the person of the entry's `record_id`. `read_at` is the time of `perf_counter`, in seconds.
    """

    patient: PatientIdentity
    person_id: int
    caller_id: int
    created_by_text: str
    #: The name of the caller's account. None for the engine, and for a program with a token.
    caller_name: str | None
    facts: Facts
    rows: OpenRows
    names: NameCache
    request_row: RequestRow | None
    appointment: Appointment | None
    appointment_version: int | None
    other_consultations: tuple[OtherConsultation, ...]
    new_patient_is_retired: bool
    retired: SeenRecord | None
    named_person_id: int | None
    #: The entry of the timeline that also counts the refusal of this decision.
    recent_refusal_id: int | None
    past: PastTracking | None
    day_appointments: DayAppointments | None
    walk_in: Appointment | None
    call: DoctorCall | None
    #: The room to which the doctor of the entry's call calls patients.
    room: str | None
    #: The ticket of the trackings that the decision opens or carries over. None when there are none, and when it needs none.
    ticket: Ticket | None
    read_at: float


def lock_and_read(connection: Connection, entry: LedgerEntry) -> StoredState:
    """Lock the rows that the entry depends on, and then read them. Raises OvertakenError when they change all the time.

    Two statements, because one that locks and reads would read what was there before its wait.
    """
    if connection.dialect.name == "sqlite":
        return _read_state(connection, entry)
    for _ in range(LOCK_ATTEMPTS):
        prestation_id = lock_rows(connection, entry)
        stored = _read_state(connection, entry)
        if stored.appointment is None or stored.appointment.prestation_id == prestation_id:
            return stored
    raise OvertakenError


def read_identity(connection: Connection, patient_id: int) -> PatientIdentity:
    """What is shown of the patient now."""
    row = connection.execute(PATIENT, {"patient_id": patient_id}).mappings().one()
    return PatientIdentity.of(row)


def _read_state(connection: Connection, entry: LedgerEntry) -> StoredState:
    request, appointment = entry.request, entry.appointment
    values = {
        "patient_id": entry.patient_id,
        "caller_id": None if request is None else request.caller_id,
        "request_id": None if request is None else request.id,
        "appointment_id": None if appointment is None else appointment.id,
        "new_patient_id": entry.new_patient_id,
        "busy_doctor_id": None if appointment is None or entry.busy_with is None else appointment.doctor_id,
        **refusal_parameters(entry),
        **ticket_parameters(entry, is_sqlite=connection.dialect.name == "sqlite"),
    }
    parts = fetch_parts(connection, STORED_STATE, values)
    if "patient" not in parts:
        raise NoResultFound("the patient of the entry does not exist")
    [patient] = parts["patient"]
    rows, person_id = OpenRows.from_parts(parts), patient["person_id"]
    day = entry.day_appointments
    day_appointments = None if day is None else read_day_appointments(connection, entry.patient_id, day)
    call = _read_call(connection, entry, rows)
    if day_appointments is not None:
        rows.add_appointments(item.appointment for item in day_appointments.items)
    return StoredState(
        patient=PatientIdentity.of(patient),
        person_id=person_id,
        caller_id=patient["caller_id"],
        created_by_text=patient["created_by_text"],
        caller_name=patient["caller_name"],
        facts=rows.facts if person_id == entry.patient_id else Facts(moved_to=person_id),
        rows=rows,
        names=NameCache.from_parts(parts),
        request_row=None if request is None else to_request_row(request, patient),
        appointment=next(map(to_appointment, parts.get("appointment", ())), None),
        appointment_version=next((row["version"] for row in parts.get("appointment", ())), None),
        other_consultations=to_other_consultations(parts.get("other_consultation", ())),
        new_patient_is_retired=any(row["person_id"] != row["patient_id"] for row in parts.get("new_patient", ())),
        retired=None if entry.retired is None else read_record(connection, entry.retired.id),
        named_person_id=None
        if entry.record_id is None
        else connection.scalar(PERSON_OF_RECORD, {"record_id": entry.record_id}),
        recent_refusal_id=next((row["refusal_entry_id"] for row in parts.get("recent_refusal", ())), None),
        past=_read_past(connection, entry),
        day_appointments=day_appointments,
        walk_in=None if entry.walk_in is None else read_walk_in(connection, entry.walk_in),
        call=None if call is None else call.call,
        room=None if call is None else call.room,
        ticket=choose_ticket(entry, parts),
        read_at=perf_counter(),
    )


def _read_past(connection: Connection, entry: LedgerEntry) -> PastTracking | None:
    """The past of the appointment on which the decision depends. When the command has none, the visit decides again on this one."""
    appointment_id = None if entry.past is None else entry.past.appointment_id
    if entry.lacks_past and entry.appointment is not None:
        appointment_id = entry.appointment.id
    return None if appointment_id is None else read_past_tracking(connection, appointment_id)


def _read_call(connection: Connection, entry: LedgerEntry, rows: OpenRows) -> CallAndRoom | None:
    """The last call of the entry's doctor.

    For a new call also that of another doctor, because only one may call the patient, and whether the patient has left.
    """
    about = entry.call or entry.postponed_call
    if about is None:
        return None
    doctor_id = about.doctor_id
    last = read_call(connection, doctor_id, entry.day)
    if last is None or entry.keeps_refusal:
        return last
    other_call = read_other_call(connection, entry.patient_id, doctor_id)
    days = entry.day, entry.day_starts_at, entry.yesterday_starts_at
    has_left = not rows.open_trackings and read_has_left(connection, entry.patient_id, *days)
    return last._replace(call=last.call.model_copy(update={"other_call": other_call, "patient_left": has_left}))
