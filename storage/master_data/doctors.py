"""Doctors from the hospital's own system."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.master_data.records import PutContext, PutResult, put_record
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.wire.event_bodies import DoctorUpdated
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event
from patient_visit_engine.wire.events import DOCTOR_UPDATED


@dataclass(frozen=True)
class DoctorPut:
    """The new content of a doctor. `room` is where the doctor usually works. An inactive doctor starts nothing new."""

    name: str
    specialization: str | None = None
    room: str | None = None
    active: bool = True


def put_doctor(connection: Connection, put: PutContext, doctor: DoctorPut) -> PutResult:
    """Create or change a doctor. A change is published. Raises like `put_record`."""
    return put_record(connection, put, RecordKind.doctor, asdict(doctor), on_write=_publish)


def _publish(connection: Connection, put: PutContext, stored: Row[Any] | None, changed: Mapping[str, Any]) -> None:
    """Publish how a changed doctor is shown now. No screen shows a new one."""
    if stored is None:
        return
    now = {**stored._mapping, **changed}
    data: DoctorUpdated = {
        "doctor_id": put.id,
        "doctor_name": now["name"],
        "specialization": now["specialization"],
        "room": now["room"],
        "active": now["active"],
        "message": f"{now['name']} has new details",
        "timestamp": to_rfc3339(put.at),
    }
    event = Event(DOCTOR_UPDATED, CONSULTATIONS, f"{DOCTOR_UPDATED}/{put.cause}", data, None)
    event_log.append(connection, [event], put.at)
