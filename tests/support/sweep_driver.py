"""Runs the sweep on a real database with recorded visits."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from patient_visit_engine.storage.database import Database
from patient_visit_engine.worker.sweep import Sweep
from tests.support.builders import CALENDAR, NOON, minutes
from tests.support.recorded_visits import RecordedRescue, RecordedVisits


@dataclass
class SweepDriver:
    """The sweep of one worker on a real database. The visits are recorded."""

    database: Database
    visits: RecordedVisits = field(default_factory=RecordedVisits)
    rescue: RecordedRescue = field(default_factory=RecordedRescue)
    #: The sweep's present time.
    at: datetime = NOON + minutes(1)

    def __post_init__(self) -> None:
        self.sweep = Sweep(
            self.database,
            self.visits,
            self.rescue,
            calendar=CALENDAR,
            every=timedelta(minutes=1),
            offers_expire=True,
            retention=timedelta(days=7),
            now=lambda: self.at,
        )
