"""A visit's way with the real ledger, without a workflow around it: decide, record, and decide again when overtaken."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import NameCache, read_appointment
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.storage.tables import metadata, requests
from patient_visit_engine.visit.calendar import day_ends_at
from patient_visit_engine.visit.commands import Adopt, Command, OnConsultation, appointment_of
from patient_visit_engine.visit.decisions import Decision
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.record import LedgerEntry, Recorded
from patient_visit_engine.visit.state import Facts, Limits, VisitState
from patient_visit_engine.visit.timers import decide_due
from tests.support.builders import DAY, JOHN_DOE, NOON, ZONE

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class StoredAnswer:
    """The answer that the ledger keeps for a request."""

    status: int
    body: Any


class LedgerDriver:
    """One patient's visit of one day; what it knows may be stale, as a visit's may."""

    def __init__(
        self, database: Database, *, patient_id: int = JOHN_DOE.id, day: date = DAY, limits: Limits | None = None
    ) -> None:
        self.database = database
        self.ledger = Ledger(database)
        self.state = VisitState(
            patient_id=patient_id, day=day, day_ends_at=day_ends_at(day, ZONE), limits=limits or Limits()
        )

    async def ask(self, command: Command, now: datetime = NOON) -> StoredAnswer:
        """Have the command decided and recorded; the answer as it is kept."""
        appointment = appointment_of(command)
        for _ in range(50):
            current: Any = command
            if not isinstance(command, OnConsultation):
                current = command.model_copy(update={"appointment": appointment})
            recorded = await self.record(self.entry(current, now))
            if not recorded.overtaken:
                return await self.database.read(kept_answer, command.request.id)
            appointment = recorded.appointment
        raise AssertionError("overtaken without end")

    async def let_time_decide(self, now: datetime) -> list[Decision]:
        """All that is due at this moment."""
        self.know(await self.ledger.load(self.state.patient_id))
        decided = []
        while (decision := decide_due(self.state, now)) is not None:
            decided.append(decision)
            await self.record(self.entry_of(decision))
        return decided

    def entry(self, command: Command | Adopt, now: datetime = NOON) -> LedgerEntry:
        """The command, decided on what this visit knows and not yet recorded."""
        decision = decide(self.state, command, now)
        if isinstance(command, Adopt):
            return self.entry_of(decision)
        return self.entry_of(decision).model_copy(
            update={"request": command.request, "appointment": appointment_of(command)}
        )

    def entry_of(self, decision: Decision) -> LedgerEntry:
        """What time has decided, not yet recorded."""
        return LedgerEntry(
            patient_id=self.state.patient_id, day=self.state.day, decision=decision, seen=self.state.facts
        )

    async def record(self, entry: LedgerEntry) -> Recorded:
        """Record it and take the facts that come back for the truth."""
        recorded = await self.ledger.record(entry)
        self.know(recorded.facts)
        return recorded

    def know(self, facts: Facts) -> None:
        """These are the facts now."""
        self.state = self.state.model_copy(update={"facts": facts})

    async def appointment(self, number: int) -> Any:
        """The appointment as it is stored now."""
        return await self.database.read(read_appointment, number, NameCache())


def kept_answer(connection: Connection, request_id: str) -> StoredAnswer:
    """The answer kept for the request."""
    row = connection.execute(select(requests).where(requests.c.request_id == request_id)).one()
    return StoredAnswer(row.status, None if row.body is None else json.loads(row.body))


def everything(connection: Connection) -> Rows:
    """Every row of every table."""
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
        for table in metadata.sorted_tables
    }


def column(connection: Connection, table: str, name: str) -> list[Any]:
    """One column, in order of the table's key."""
    found = metadata.tables[table]
    return list(connection.scalars(select(found.c[name]).order_by(*found.primary_key)))
