"""A PUT before its record is located: by an id, or by an identifier that a record may or may not have."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.master_data.identifying import find_or_mint
from patient_visit_engine.storage.master_data.records import Envelope, PutContext, PutOvertakenError

T = TypeVar("T")


@dataclass(frozen=True)
class PutRequest:
    """A PUT of the record with this id. Without an id, the envelope has the identifier of the record."""

    kind: RecordKind
    record_id: int | None
    cause: str
    at: datetime
    envelope: Envelope

    def locate(self, connection: Connection) -> PutContext:
        """The same PUT with the id of its record. A record that does not exist gets the id that follows from its identifier."""
        record_id = self.record_id
        if record_id is None:
            assert self.envelope.target is not None, "a PUT names its record"
            record_id = find_or_mint(connection, self.kind, self.envelope.target)
        return PutContext(record_id, self.cause, self.at, self.envelope)


async def run_put(database: Database, unit: Callable[[Connection], T]) -> T:
    """Run the unit in a transaction, again each time when another PUT came in between."""
    while True:
        try:
            return await database.write(unit)
        except PutOvertakenError:
            # Each repetition follows another commit, so it ends.
            continue
