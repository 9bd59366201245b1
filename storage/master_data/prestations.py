"""Prestations from the hospital's own system."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, literal, select

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.master_data.records import PutContext, PutResult, put_record
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.storage.tracking_conditions import HAS_CONSULTATION
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.wire.event_bodies import PrestationUpdated
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event
from patient_visit_engine.wire.event_names import PRESTATION_UPDATED


class PrestationInUseError(Exception):
    """Consultations of the prestation run or are paused, so its `exclusive` cannot change."""


@dataclass(frozen=True)
class PrestationPut:
    """The new content of a prestation. Nothing new begins with an inactive one."""

    name: str
    exclusive: bool
    expected_minutes: int
    active: bool = True


def put_prestation(connection: Connection, put: PutContext, prestation: PrestationPut) -> PutResult:
    """Create or change a prestation. A change is published. Consultations in progress keep their expected end.

    Raises PrestationInUseError, and like `put_record`. The caller must roll back.
    """
    return put_record(connection, put, RecordKind.prestation, asdict(prestation), on_write=_check_and_publish)


def _check_and_publish(
    connection: Connection, put: PutContext, stored: Row[Any] | None, changed: Mapping[str, Any]
) -> None:
    """Check that a changed prestation may change, and publish how it is shown now. No screen shows a new one."""
    if stored is None:
        return
    # A start locks the prestation too. So each start either is committed, and its consultation is seen here, or waits and is
    # decided on the new value.
    if "exclusive" in changed and _has_consultation(connection, put.id):
        raise PrestationInUseError
    now = {**stored._mapping, **changed}
    data: PrestationUpdated = {
        "prestation_id": put.id,
        "prestation": now["name"],
        "exclusive": now["exclusive"],
        "expected_minutes": now["expected_minutes"],
        "active": now["active"],
        "message": f"{now['name']} has new details",
        "timestamp": to_rfc3339(put.at),
    }
    event = Event(PRESTATION_UPDATED, CONSULTATIONS, f"{PRESTATION_UPDATED}/{put.cause}", data, None)
    event_log.append(connection, [event], put.at)


def _has_consultation(connection: Connection, prestation_id: int) -> bool:
    running = select(literal(1)).where(HAS_CONSULTATION, patient_trackings.c.prestation_id == prestation_id)
    return connection.scalar(running.limit(1)) is not None
