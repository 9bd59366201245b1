"""Records decisions directly in the real ledger, without a workflow."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.ledger.receipts import RecordedDecision
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.tables import metadata, requests
from patient_visit_engine.visit.commands import (
    Command,
    ConsultationCommand,
    PatientCommand,
    RecordCommand,
    appointment_of,
    call_of,
    day_of,
    keeps_refusal,
    named_record_of,
    past_tracking_of,
    retired_record_of,
    walk_in_of,
    with_busy_doctor,
    with_call,
    with_day,
    with_past_tracking,
    with_retired_record,
    with_walk_in,
)
from patient_visit_engine.visit.decisions import Decision
from patient_visit_engine.visit.facts import Consultation, Facts
from patient_visit_engine.visit.patient_commands import Adopt, OpenWalkIn
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.visit.timers import decide_due
from tests.support.builders import CALENDAR, DAY, JOHN_DOE, NOON

#: Every row of the database, by table.
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class StoredAnswer:
    """The answer that the ledger keeps for a request."""

    status: int
    body: Any


class LedgerDriver:
    """Does what the visit of one patient and one day does: decide, record, and decide again when overtaken.

    Its facts are those of its last call to the ledger, so they can be stale, as a visit's can.
    """

    def __init__(
        self, database: Database, *, patient_id: int = JOHN_DOE.id, day: date = DAY, limits: Limits | None = None
    ) -> None:
        self.database = database
        #: The decisions that the ledger has reported.
        self.reported: list[RecordedDecision] = []
        self._ledger = SqlLedger(database, self.reported.append)
        self.state = VisitState(
            patient_id=patient_id,
            day=day,
            day_starts_at=CALENDAR.starts_at(day),
            day_ends_at=CALENDAR.ends_at(day),
            yesterday_starts_at=CALENDAR.hospital_day(day).yesterday_starts_at,
            limits=limits or Limits(),
        )

    @property
    def running(self) -> Consultation:
        """The first consultation in progress."""
        return self.state.facts.in_progress[0]

    async def send(self, command: Command, now: datetime = NOON) -> StoredAnswer:
        """Decide and record the command, and return the stored answer."""
        await self.decide_again(command, now)
        return await self.database.read(stored_answer, command.request.id)

    async def decide_again(self, command: Command, now: datetime = NOON) -> LedgerReply:
        """Decide and record the command, again for as long as it is overtaken, and return the ledger's last reply."""
        current: Any = command
        for _ in range(50):
            recorded = await self.record(self.entry(current, now))
            if not recorded.overtaken:
                return recorded
            if not isinstance(command, ConsultationCommand | RecordCommand | PatientCommand | OpenWalkIn):
                current = current.model_copy(update={"appointment": recorded.appointment})
            current = with_retired_record(with_busy_doctor(current, recorded.busy_with), recorded.retired)
            current = with_call(with_walk_in(current, recorded.walk_in), recorded.call)
            current = with_day(with_past_tracking(current, recorded.past), recorded.day_appointments)
        raise AssertionError("overtaken 50 times")

    async def record_due(self, now: datetime) -> list[Decision]:
        """Record all decisions that are due at this moment, and return them."""
        await self.load_facts()
        decisions, call = [], None
        while (decision := decide_due(self.state, now, call)) is not None:
            decisions.append(decision)
            call = (await self.record(self.entry_of(decision))).call
        return decisions

    def entry(self, command: Command | Adopt, now: datetime = NOON) -> LedgerEntry:
        """Decide the command on the current facts; the entry is not recorded yet."""
        decision = decide(command, self.state, now)
        if isinstance(command, Adopt):
            return self.entry_of(decision)
        return self.entry_of(decision).model_copy(
            update={
                "request": command.request,
                "appointment": appointment_of(command),
                "retired": retired_record_of(command),
                "record_id": named_record_of(command),
                "past": past_tracking_of(command),
                "day_appointments": day_of(command),
                "walk_in": walk_in_of(command),
                "call": call_of(command),
                "keeps_refusal": keeps_refusal(command),
                "day_starts_at": self.state.day_starts_at,
                "yesterday_starts_at": self.state.yesterday_starts_at,
            }
        )

    def entry_of(self, decision: Decision) -> LedgerEntry:
        """The entry of a decision without a command; it is not recorded yet."""
        return LedgerEntry(
            patient_id=self.state.patient_id, day=self.state.day, decision=decision, seen=self.state.facts
        )

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        """Record the entry and take over the facts of the reply."""
        recorded = await self._ledger.record(entry)
        self.set_facts(recorded.facts)
        return recorded

    async def load_facts(self) -> None:
        """Read the facts from the database."""
        self.set_facts(await self._ledger.load(self.state.patient_id))

    def set_facts(self, facts: Facts) -> None:
        """Replace the facts."""
        self.state = self.state.model_copy(update={"facts": facts})

    async def appointment(self, number: int) -> Any:
        """The stored appointment."""
        return await self.database.read(read_appointment, number)


def stored_answer(connection: Connection, request_id: str) -> StoredAnswer:
    """The answer that is stored for the request."""
    row = connection.execute(select(requests).where(requests.c.request_id == request_id)).one()
    return StoredAnswer(row.status, None if row.body is None else json.loads(row.body))


def all_rows(connection: Connection) -> Rows:
    """Every row of every table."""
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
        for table in metadata.sorted_tables
    }


def column(connection: Connection, table_name: str, name: str) -> list[Any]:
    """One column of a table, in order of its primary key."""
    table = metadata.tables[table_name]
    return list(connection.scalars(select(table.c[name]).order_by(*table.primary_key)))
