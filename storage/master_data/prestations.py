"""Prestations from the hospital's own system."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, literal, select

from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.master_data.records import PutContext, PutResult, put_record
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.storage.tracking_conditions import HAS_CONSULTATION


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
    """Create or change a prestation. Consultations in progress keep their expected end.

    Raises PrestationInUseError, and like `put_record`. The caller must roll back.
    """
    return put_record(connection, put, RecordKind.prestation, asdict(prestation), on_write=_check_not_in_use)


def _check_not_in_use(
    connection: Connection, put: PutContext, stored: Row[Any] | None, changed: Mapping[str, Any]
) -> None:
    # A start locks the prestation too. So each start either is committed, and its consultation is seen here, or waits and is
    # decided on the new value.
    if stored is not None and "exclusive" in changed and _has_consultation(connection, put.id):
        raise PrestationInUseError


def _has_consultation(connection: Connection, prestation_id: int) -> bool:
    running = select(literal(1)).where(HAS_CONSULTATION, patient_trackings.c.prestation_id == prestation_id)
    return connection.scalar(running.limit(1)) is not None
