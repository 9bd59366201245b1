"""The floor's activities: one SQLite transaction per message, in one thread.

Raw `sqlite3` with the engine's pragmas. Each transaction writes the minimum that the design needs: the row of which the unique
index makes a consultation exclusive, the head of the log, and the event.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity

SCHEMA = """
CREATE TABLE consultations (
    id TEXT PRIMARY KEY, patient_id INTEGER NOT NULL, doctor_id INTEGER NOT NULL, appointment_id INTEGER NOT NULL,
    status TEXT NOT NULL
);
CREATE UNIQUE INDEX one_consultation_per_patient ON consultations (patient_id) WHERE status = 'in_progress';
CREATE TABLE log_head (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
INSERT INTO log_head VALUES (1, 0);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, name TEXT NOT NULL, patient_id INTEGER NOT NULL, consultation_id TEXT, data TEXT NOT NULL
);
"""
START = "INSERT INTO consultations VALUES (?, ?, ?, ?, 'in_progress') ON CONFLICT DO NOTHING"
RUNNING = "SELECT id, patient_id, doctor_id, appointment_id FROM consultations WHERE patient_id = ? AND status = 'in_progress'"
COMPLETE = "UPDATE consultations SET status = 'completed' WHERE id = ? AND status = 'in_progress'"
ADVANCE = "UPDATE log_head SET seq = seq + 1 RETURNING seq"
APPEND = "INSERT INTO events VALUES (?, ?, ?, ?, ?)"


@dataclass
class Consultation:
    """One doctor with one patient."""

    id: str
    patient_id: int
    doctor_id: int
    appointment_id: int


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection with the pragmas of `storage.database`. Transactions start only by an explicit BEGIN."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class ConsultationLog:
    """The floor's database. Its methods are activities."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    @activity.defn
    async def start(self, consultation: Consultation) -> Consultation:
        """Start the consultation if the patient is free. Returns the patient's running consultation."""
        return await self._run(self._start, consultation)

    @activity.defn
    async def refuse(self, consultation: Consultation) -> None:
        """Record the event of a refused start."""
        await self._run(self._append, "consultation.blocked", consultation)

    @activity.defn
    async def complete(self, consultation: Consultation) -> None:
        """Complete the consultation. Repeating the call changes nothing."""
        await self._run(self._complete, consultation)

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()

    async def _run(self, write: Callable[..., Consultation], *args: object) -> Consultation:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, write, args)

    def _commit(self, write: Callable[..., Consultation], args: tuple[object, ...]) -> Consultation:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            consultation = write(*args)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        return consultation

    def _start(self, consultation: Consultation) -> Consultation:
        row = (consultation.id, consultation.patient_id, consultation.doctor_id, consultation.appointment_id)
        if self._connection.execute(START, row).rowcount:
            return self._append("consultation.started", consultation)
        return Consultation(*self._connection.execute(RUNNING, (consultation.patient_id,)).fetchone())

    def _complete(self, consultation: Consultation) -> Consultation:
        if self._connection.execute(COMPLETE, (consultation.id,)).rowcount:
            self._append("consultation.completed", consultation)
        return consultation

    def _append(self, name: str, consultation: Consultation) -> Consultation:
        # Last in the transaction, as in the engine. Taken earlier, a position could become visible after a higher one.
        seq = self._connection.execute(ADVANCE).fetchone()[0]
        data = json.dumps(
            {
                "patient_id": consultation.patient_id,
                "doctor_id": consultation.doctor_id,
                "consultation_id": consultation.id,
            }
        )
        self._connection.execute(APPEND, (seq, name, consultation.patient_id, consultation.id, data))
        return consultation
