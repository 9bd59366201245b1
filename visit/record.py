"""The messages between a visit and the ledger."""

from datetime import date

from patient_visit_engine.visit.commands import Request
from patient_visit_engine.visit.decisions import Decision
from patient_visit_engine.visit.state import Appointment, Facts, Frozen


class UnrecordableError(Exception):
    """The database's constraints reject the entry, and will reject it at every attempt."""


class LedgerEntry(Frozen):
    """One decision to record. It is valid only while the ledger has the same facts and the same appointment (`seen`)."""

    patient_id: int
    day: date
    decision: Decision
    seen: Facts
    request: Request | None = None
    appointment: Appointment | None = None


class Recorded(Frozen):
    """The patient's facts now. `overtaken`: nothing was written, because the facts were not those of the entry."""

    facts: Facts
    overtaken: bool = False
    appointment: Appointment | None = None
