"""What the ledger reads under the patient's lock, before it writes a decision."""

from dataclasses import dataclass
from time import perf_counter

from sqlalchemy import Connection

from patient_visit_engine.storage.facts import LOCK_PATIENT, NameCache, read_facts
from patient_visit_engine.storage.ledger.request_rows import RequestRow, read_request
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import Facts


@dataclass(frozen=True)
class StoredState:
    """The rows that were read. `request_row` is None when a timer decided. `read_at` is the time of `perf_counter`, in seconds."""

    person_id: int
    patient_name: str
    facts: Facts
    names: NameCache
    request_row: RequestRow | None
    read_at: float


def lock_and_read(connection: Connection, entry: LedgerEntry) -> StoredState:
    """Lock the patient, and read the facts and the request of the entry."""
    names = NameCache()
    first_name, last_name, person_id = connection.execute(LOCK_PATIENT, {"patient_id": entry.patient_id}).one()
    facts = read_facts(connection, entry.patient_id, names)
    request_row = None if entry.request is None else read_request(connection, entry.request)
    return StoredState(person_id, f"{first_name} {last_name}", facts, names, request_row, perf_counter())
