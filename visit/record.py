"""What passes between a visit and the ledger: one decision with what it was based on, and the truth in return."""

from datetime import date

from patient_visit_engine.visit.commands import Request
from patient_visit_engine.visit.decisions import Decision
from patient_visit_engine.visit.state import Appointment, Facts, Frozen


class UnrecordableError(Exception):
    """The ledger's own rules refuse the entry, and will at every try."""


class LedgerEntry(Frozen):
    """One decision to record. It holds only if the ledger still has the facts, and the appointment, that it was based on."""

    patient_id: int
    day: date
    decision: Decision
    seen: Facts
    request: Request | None = None
    appointment: Appointment | None = None


class Recorded(Frozen):
    """The patient's facts as they are now; with `overtaken` nothing was written, since they were not those of the entry."""

    facts: Facts
    overtaken: bool = False
    appointment: Appointment | None = None
