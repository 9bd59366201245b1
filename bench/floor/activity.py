"""The floor's only activity: one SQLite transaction a message, in one thread; it must not know workflows or HTTP.

Raw `sqlite3` with the engine's pragmas. Each transaction writes what the design needs at the least: the row whose unique index
makes a consultation exclusive, the head of the log, and the event.
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
HOLDER = "SELECT id, patient_id, doctor_id, appointment_id FROM consultations WHERE patient_id = ? AND status = 'in_progress'"
COMPLETE = "UPDATE consultations SET status = 'completed' WHERE id = ? AND status = 'in_progress'"
ADVANCE = "UPDATE log_head SET seq = seq + 1 RETURNING seq"
APPEND = "INSERT INTO events VALUES (?, ?, ?, ?, ?)"


@dataclass
class Consultation:
    """Who is with whom."""

    id: str
    patient_id: int
    doctor_id: int
    appointment_id: int


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the pragmas of `storage.database`, which opens transactions only when it is told to."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class Log:
    """The floor's database, as activities; each returns who holds the patient after it."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    @activity.defn
    async def start(self, asked: Consultation) -> Consultation:
        """Begin the consultation, unless another holds the patient."""
        return await self._run(self._start, asked)

    @activity.defn
    async def refuse(self, asked: Consultation) -> None:
        """Note that the patient was busy."""
        await self._run(self._append, "consultation.blocked", asked)

    @activity.defn
    async def complete(self, held: Consultation) -> None:
        """End the consultation, once."""
        await self._run(self._complete, held)

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()

    async def _run(self, write: Callable[..., Consultation], *args: object) -> Consultation:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, write, args)

    def _commit(self, write: Callable[..., Consultation], args: tuple[object, ...]) -> Consultation:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            holder = write(*args)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        return holder

    def _start(self, asked: Consultation) -> Consultation:
        row = (asked.id, asked.patient_id, asked.doctor_id, asked.appointment_id)
        if self._connection.execute(START, row).rowcount:
            return self._append("consultation.started", asked)
        return Consultation(*self._connection.execute(HOLDER, (asked.patient_id,)).fetchone())

    def _complete(self, held: Consultation) -> Consultation:
        if self._connection.execute(COMPLETE, (held.id,)).rowcount:
            self._append("consultation.completed", held)
        return held

    def _append(self, name: str, about: Consultation) -> Consultation:
        # Last in the transaction, as in the engine: a position taken earlier would be seen later than a higher one.
        seq = self._connection.execute(ADVANCE).fetchone()[0]
        data = json.dumps({"patient_id": about.patient_id, "doctor_id": about.doctor_id, "consultation_id": about.id})
        self._connection.execute(APPEND, (seq, name, about.patient_id, about.id, data))
        return about
