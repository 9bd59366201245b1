"""The tables, and the rules that the database itself enforces."""

from patient_visit_engine.storage.tables.columns import metadata
from patient_visit_engine.storage.tables.feeds import identifiers, sent_records
from patient_visit_engine.storage.tables.hospital import appointments, doctors, patients, prestations
from patient_visit_engine.storage.tables.search import patient_search_words
from patient_visit_engine.storage.tables.sign_in import accounts, sessions, sign_in_places
from patient_visit_engine.storage.tables.stream import events, log_head, stream_processes, stream_readers
from patient_visit_engine.storage.tables.visits import (
    callers,
    patient_merges,
    patient_trackings,
    requests,
    reservations,
    timeline,
    waiting_line,
)

__all__ = [
    "accounts",
    "appointments",
    "callers",
    "doctors",
    "events",
    "identifiers",
    "log_head",
    "metadata",
    "patient_merges",
    "patient_search_words",
    "patient_trackings",
    "patients",
    "prestations",
    "requests",
    "reservations",
    "sent_records",
    "sessions",
    "sign_in_places",
    "stream_processes",
    "stream_readers",
    "timeline",
    "waiting_line",
]
