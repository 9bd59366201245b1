"""Reads what Temporal shows of a visit."""

import json
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from patient_visit_engine.visit.search_attributes import VisitAttributes
from patient_visit_engine.workflows import visit_display
from tests.support.visits import VisitDriver

UPSERT = EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES


async def read_attributes(visits: VisitDriver) -> VisitAttributes:
    """The search attributes that Temporal has of today's visit."""
    return visit_display._read_attributes((await visits.workflow().describe()).typed_search_attributes)


async def events_of(visits: VisitDriver) -> list[HistoryEvent]:
    """The events of all runs."""
    return [event for history in await visits.histories() for event in history.events]


async def writes_of(visits: VisitDriver) -> list[datetime]:
    """When the visit wrote its search attributes."""
    return [event.event_time.ToDatetime(UTC) for event in await events_of(visits) if event.event_type == UPSERT]


def summaries_of_timers(events: list[HistoryEvent]) -> list[str]:
    return [
        json.loads(event.user_metadata.summary.data)
        for event in events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]


async def is_written(visits: VisitDriver) -> bool:
    return bool(await writes_of(visits))
