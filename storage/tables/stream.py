"""The tables of the event stream: the event log, and the subscribers of each API process."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Index, Integer, String, Table, Text, text

from patient_visit_engine.storage.tables.columns import Timestamp, metadata

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("epoch", String(16), nullable=False),
    # The number of tickets that were taken on `ticket_day`. The statement that advances `seq` counts them.
    Column("ticket_day", Date),
    Column("ticket_number", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("id = 1", name="one_log_has_one_head"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("dedup_key", String(200), nullable=False, unique=True),
    Column("at", Timestamp, nullable=False),
    Column("channel", String(60), nullable=False),
    Column("name", String(40), nullable=False),
    Column("data", Text, nullable=False),
    # Null when the event is about no patient.
    Column("patient_id", BigInteger),
    Column("consultation_id", String(36)),
    Index("events_by_channel", "channel", "seq"),
    Index("events_by_age", "at"),
)

# The API processes with an event stream, with the data of their last report. The rows do not belong to a visit. They are deleted
# when the process stops.
stream_processes = Table(
    "stream_processes",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("cursor", String(40), nullable=False),
)

# One row for each subscriber of each process. The name of the table is older than the word "subscriber". `cursor` is null for a
# subscriber that is not behind.
stream_readers = Table(
    "stream_readers",
    metadata,
    Column("process_id", ForeignKey("stream_processes.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("user", String(300), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("since", Timestamp, nullable=False),
    Column("cursor", String(40)),
)
