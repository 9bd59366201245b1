"""The conditions of the partial indexes of trackings, for queries that use these indexes."""

from sqlalchemy import literal_column

from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.codes import TrackingStatus

# Literals, not bound parameters: otherwise neither database uses its partial index.
IS_OPEN = patient_trackings.c.status != literal_column(f"'{TrackingStatus.completed.value}'")
HAS_ENDED = patient_trackings.c.status == literal_column(f"'{TrackingStatus.completed.value}'")
HAS_CONSULTATION = patient_trackings.c.status.in_([literal_column("'in_progress'"), literal_column("'paused'")])
IS_RUNNING = patient_trackings.c.status == literal_column(f"'{TrackingStatus.in_progress.value}'")
