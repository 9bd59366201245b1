"""The ticket of the patient in one decision: the person's ticket of the day, or a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, Select, bindparam, select

from patient_visit_engine.storage.facts import PERSON
from patient_visit_engine.storage.row_unions import Columns
from patient_visit_engine.storage.tables import log_head, patient_trackings
from patient_visit_engine.storage.tickets import NEXT_DAY, NEXT_NUMBER, PLACEHOLDER, TicketOrder, ticket_text
from patient_visit_engine.visit.changes import AddWalkIn, CarryOver, Change, OpenTracking
from patient_visit_engine.visit.consultation_changes import TransferConsultation, WaitAgain
from patient_visit_engine.visit.record import LedgerEntry

# The parameters of both queries are NULL for a decision that opens no tracking and carries none over. Then they read no row.
#: The changes that open a tracking in which the ticket is shown, or give it to another day.
SHOWS_TICKET = (OpenTracking, AddWalkIn, WaitAgain, TransferConsultation, CarryOver)
#: The trackings of the person with a ticket of the day.
KNOWN_TICKETS = select(
    patient_trackings.c.id,
    patient_trackings.c.check_in_time,
    patient_trackings.c.ticket,
    patient_trackings.c.ticket_day,
).where(
    patient_trackings.c.person_id == PERSON, patient_trackings.c.ticket_day == bindparam("ticket_day", type_=Date())
)
_NEXT: tuple[ColumnElement[Any], ...] = (ticket_text(NEXT_NUMBER).label("ticket"), NEXT_DAY.label("ticket_day"))
#: The next ticket, on SQLite. There the transaction is the only one that writes, so this is the one that it takes at its end.
NEXT_TICKET: Select[Any] = select(*_NEXT).where(log_head.c.id == bindparam("head_id", type_=Integer()))


@dataclass(frozen=True)
class Ticket:
    """The ticket of the trackings that a decision opens or carries over. A new one has no text yet on PostgreSQL, but the placeholder."""

    text: str
    day: date
    is_new: bool
    #: The trackings to which the statement for the log's head writes the text, because it was not known before.
    tracking_ids: list[int] = field(default_factory=list)

    @property
    def columns(self) -> Columns:
        """The columns of a tracking that has the ticket."""
        return {"ticket": self.text, "ticket_day": self.day}

    @property
    def has_text(self) -> bool:
        """Whether the text is known before the log's head is advanced."""
        return self.text != PLACEHOLDER


def ticket_parameters(entry: LedgerEntry, *, is_sqlite: bool) -> dict[str, Any]:
    """The parameters of `KNOWN_TICKETS` and `NEXT_TICKET`."""
    # A call shows the ticket, and opens no tracking.
    shows_call = entry.call is not None or entry.postponed_call is not None
    takes_part = shows_call or any(isinstance(change, SHOWS_TICKET) for change in entry.decision.changes)
    day = entry.day if takes_part else None
    return {"ticket_day": day, "ticket_for": day, "head_id": 1 if is_sqlite and takes_part else None}


def choose_ticket(entry: LedgerEntry, parts: Mapping[str, list[Columns]]) -> Ticket | None:
    """The ticket of the trackings that the decision opens or carries over. Only an arrival gets a new one, and who is still here."""
    if known := sorted(parts.get("known_ticket", ()), key=lambda row: (row["check_in_time"], row["id"])):
        # After a merge the person can have two. The earlier one is shown.
        return Ticket(known[0]["ticket"], known[0]["ticket_day"], is_new=False)
    if not any(_takes_ticket(change, entry) for change in entry.decision.changes):
        return None
    for row in parts.get("next_ticket", ()):
        return Ticket(row["ticket"], row["ticket_day"], is_new=True)
    return Ticket(PLACEHOLDER, entry.day, is_new=True)


def _takes_ticket(change: Change, entry: LedgerEntry) -> bool:
    if isinstance(change, CarryOver):
        consultations = (*entry.seen.in_progress, *entry.seen.paused)
        return bool(change.pending) or any(consultation.day < change.day for consultation in consultations)
    return isinstance(change, OpenTracking | AddWalkIn)


def ticket_order(entry: LedgerEntry, ticket: Ticket | None) -> TicketOrder | None:
    """What the statement for the log's head must do for the ticket. None: the decision takes no new one."""
    if ticket is None or not ticket.is_new:
        return None
    return TicketOrder(entry.day, tuple(ticket.tracking_ids), None if entry.request is None else entry.request.id)
