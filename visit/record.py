"""The messages between a visit and the ledger."""

from datetime import date

from patient_visit_engine.visit.commands import Request
from patient_visit_engine.visit.decisions import Decision
from patient_visit_engine.visit.state import Appointment, Facts, Frozen


class UnrecordableError(Exception):
    """The database's constraints reject the entry, and will reject it at every attempt."""


class LedgerEntry(Frozen):
    """One decision to record. It is valid only while the ledger still has the facts `seen` and the appointment `appointment`."""

    patient_id: int
    day: date
    decision: Decision
    seen: Facts
    request: Request | None = None
    appointment: Appointment | None = None


class LedgerReply(Frozen):
    """The ledger's reply, with the patient's facts now.

    `overtaken`: the ledger wrote nothing, because the facts or the appointment were not those of the entry. The reply then
    has the appointment as it is now. The ledger also writes nothing when the request was decided before. Then `overtaken`
    is false.

    `expired`: the ledger wrote nothing, because the command came after the end of its validity. Its key stays open.
    """

    facts: Facts
    overtaken: bool = False
    appointment: Appointment | None = None
    expired: bool = False
