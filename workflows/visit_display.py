"""What Temporal's UI shows of a visit. Nothing here may stop a visit, and nothing in the engine reads it.

A write of search attributes costs an event, and a write to the server's index. In the task of a decision it would delay the answer.
So a timer writes them, five seconds after the first change. If the visit is then as before, nothing is written.
"""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from patient_visit_engine.visit.names import (
        CONSULTATION_OPEN_SINCE_ATTRIBUTE,
        DOCTOR_ID_ATTRIBUTE,
        VISIT_STATE_ATTRIBUTE,
        WAITING_COUNT_ATTRIBUTE,
    )
    from patient_visit_engine.visit.search_attributes import VisitAttributes, attributes_of
    from patient_visit_engine.visit.state import VisitState
    from patient_visit_engine.visit.summary import find_zone, summary
    from patient_visit_engine.visit.visit_messages import OpenVisit

VISIT_STATE = SearchAttributeKey.for_keyword(VISIT_STATE_ATTRIBUTE)
DOCTOR_ID = SearchAttributeKey.for_keyword_list(DOCTOR_ID_ATTRIBUTE)
CONSULTATION_OPEN_SINCE = SearchAttributeKey.for_datetime(CONSULTATION_OPEN_SINCE_ATTRIBUTE)
WAITING_COUNT = SearchAttributeKey.for_int(WAITING_COUNT_ATTRIBUTE)
#: The attributes of a visit that has just been opened. An empty list sets nothing. It makes the server refuse the start when the
#: namespace lacks the attribute, while the client can still open the visit without it. Lists are written alike for every type.
INITIAL_ATTRIBUTES: tuple[SearchAttributePair[Any], ...] = (
    SearchAttributePair(VISIT_STATE, VisitAttributes().state),
    SearchAttributePair(WAITING_COUNT, VisitAttributes().waiting_count),
    SearchAttributePair(DOCTOR_ID, []),
    SearchAttributePair(SearchAttributeKey.for_keyword_list(CONSULTATION_OPEN_SINCE_ATTRIBUTE), []),
)
#: The time from a change to the write. So a visit writes at most once in this time.
WRITE_AFTER = timedelta(seconds=5)


class VisitDisplay:
    """The details and search attributes of one run."""

    def __init__(self, opening: OpenVisit) -> None:
        self._zone = find_zone(opening.zone)
        self._writes_attributes = opening.writes_attributes
        self._written = _read_attributes(workflow.info().typed_search_attributes)
        self._shown: VisitState | None = None
        self._write_task: asyncio.Task[None] | None = None

    def show(self, state: VisitState) -> None:
        """Show the visit in its present state."""
        if state == self._shown:
            return
        self._shown = state
        self._show_details(state)
        if not self._writes_attributes:
            return
        if attributes_of(state) == self._written:
            self._cancel_write()
        elif self._write_task is None:
            self._write_task = asyncio.create_task(self._write_later())

    def _show_details(self, state: VisitState) -> None:
        try:
            workflow.set_current_details(summary(state, self._zone))
        except Exception:  # noqa: BLE001 - a text for the UI must not stop a visit
            workflow.logger.warning("the details for Temporal's UI failed")

    def _cancel_write(self) -> None:
        if self._write_task is not None:
            self._write_task.cancel()
            self._write_task = None

    async def _write_later(self) -> None:
        await workflow.sleep(WRITE_AFTER, summary="next write of the search attributes")
        self._write_task = None
        if self._shown is not None:
            attributes = attributes_of(self._shown)
            workflow.upsert_search_attributes(_updates(self._written, attributes))
            self._written = attributes


def _updates(written: VisitAttributes, attributes: VisitAttributes) -> list[SearchAttributeUpdate[Any]]:
    """The attributes that have changed."""
    updates: list[SearchAttributeUpdate[Any]] = []
    if attributes.state != written.state:
        updates.append(VISIT_STATE.value_set(attributes.state))
    if attributes.doctor_ids != written.doctor_ids:
        ids = [str(doctor_id) for doctor_id in attributes.doctor_ids]
        updates.append(DOCTOR_ID.value_set(ids) if ids else DOCTOR_ID.value_unset())
    if attributes.open_since != written.open_since:
        since = attributes.open_since
        updates.append(
            CONSULTATION_OPEN_SINCE.value_unset() if since is None else CONSULTATION_OPEN_SINCE.value_set(since)
        )
    if attributes.waiting_count != written.waiting_count:
        updates.append(WAITING_COUNT.value_set(attributes.waiting_count))
    return updates


def _read_attributes(stored: TypedSearchAttributes) -> VisitAttributes:
    """The attributes with which this run began."""
    state = stored.get(VISIT_STATE, VisitAttributes().state)
    return VisitAttributes(
        state=state if state in ("reserved", "in_consultation") else "free",  # type: ignore[arg-type]
        doctor_ids=tuple(int(doctor_id) for doctor_id in stored.get(DOCTOR_ID, ()) if doctor_id.isdecimal()),
        open_since=stored.get(CONSULTATION_OPEN_SINCE),
        waiting_count=stored.get(WAITING_COUNT, 0),
    )
