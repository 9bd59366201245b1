"""Prestations from the hospital's own system."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, literal, select

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.records import PutContext, read_locked, update_if_different
from patient_visit_engine.storage.tables import patient_trackings, prestations
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


def put_prestation(connection: Connection, put: PutContext, prestation: PrestationPut) -> bool:
    """Create or replace a prestation. Returns whether it was created. Consultations in progress keep their expected end.

    Raises PrestationInUseError. The caller must roll back.
    """
    values = asdict(prestation)
    if insert_if_new(connection, prestations, id=put.id, **values):
        return True
    # A start locks this row too. So each start either is committed, and its consultation is seen below, or waits and is decided on
    # the new value.
    stored = read_locked(connection, prestations, put.id)
    if stored.exclusive != prestation.exclusive and _has_consultation(connection, put.id):
        raise PrestationInUseError
    update_if_different(connection, prestations, stored, values)
    return False


def _has_consultation(connection: Connection, prestation_id: int) -> bool:
    running = select(literal(1)).where(HAS_CONSULTATION, patient_trackings.c.prestation_id == prestation_id)
    return connection.scalar(running.limit(1)) is not None
