"""The tables that a decision writes: trackings, waiting line, merges, timeline, and requests with their callers."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from patient_visit_engine.storage.tables.columns import Id, Timestamp, metadata, partial_index

# A caller is a person or program that sends commands. `subject` is "account:7" for the account with id 7, or "token:" and the
# subject of a bearer token. Commands carry only the id, so that no text from a client enters a workflow's history.
callers = Table(
    "callers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject", String(300), nullable=False, unique=True),
    Column("created_by", String(300), nullable=False),
)

patient_trackings = Table(
    "patient_trackings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("appointment_id", ForeignKey("appointments.id"), nullable=False),
    Column("prestation_id", ForeignKey("prestations.id"), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id"), nullable=False),
    Column("exclusive", Boolean, nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("status", String(20), nullable=False),
    Column("outcome", String(20)),
    Column("check_in_time", Timestamp, nullable=False),
    # The time when the tracking was completed, by a check-out or in any other way.
    Column("check_out_time", Timestamp),
    Column("created_by", ForeignKey("callers.id"), nullable=False),
    Column("consultation_id", String(36), unique=True),
    Column("started_at", Timestamp),
    Column("overdue_at", Timestamp),
    Column("remind_at", Timestamp),
    Column("reminders", Integer, nullable=False, default=0),
    Column("abandon_at", Timestamp),
    Column("person_id", ForeignKey("patients.id"), nullable=False),
    # Whether the patient was checked in before the start.
    Column("checked_in", Boolean, nullable=False),
    # A short number to call the patient by. See `ticket_day`.
    Column("ticket", String(10)),
    # The time at which a check-in from an earlier day ends as `not_seen`.
    Column("not_seen_at", Timestamp),
    # Another exclusive consultation of the person was in progress when their records were merged, and still is.
    Column("merged", Boolean, nullable=False, server_default=text("false")),
    # The database's time at which the consultation was started, reopened, resumed or transferred. What was asked before has no effect.
    Column("changed_at", Timestamp),
    # When the consultation was paused. NULL unless it is paused now.
    Column("paused_at", Timestamp),
    # How long the consultation was not in progress since its start, in seconds: its pauses, and from a completion to its reopening.
    Column("paused_seconds", Integer, nullable=False, server_default=text("0")),
    # The hospital day within which only one person has the ticket. A person can have two after a merge.
    Column("ticket_day", Date),
    CheckConstraint(
        "status IN ('pending', 'in_progress', 'paused', 'completed')", name="a_tracking_has_a_known_status"
    ),
    CheckConstraint(
        "(status = 'completed') = (check_out_time IS NOT NULL) AND (status = 'completed') = (outcome IS NOT NULL)",
        name="a_completed_tracking_says_when_and_why",
    ),
    CheckConstraint(
        "status NOT IN ('in_progress', 'paused') OR consultation_id IS NOT NULL",
        name="in_progress_means_a_consultation",
    ),
    partial_index(
        "one_exclusive_consultation_per_person",
        "person_id",
        where="status = 'in_progress' AND exclusive AND NOT merged",
        unique=True,
    ),
    partial_index(
        "one_consultation_per_appointment",
        "appointment_id",
        where="status IN ('in_progress', 'paused')",
        unique=True,
    ),
    partial_index("one_check_in_per_appointment", "appointment_id", where="status = 'pending'", unique=True),
    partial_index("an_appointment_is_completed_once", "appointment_id", where="outcome = 'done'", unique=True),
    Index("trackings_by_person", "person_id", "status"),
    Index("trackings_by_appointment", "appointment_id"),
    partial_index("consultations_by_doctor", "doctor_id", where="status = 'in_progress'"),
    partial_index("open_trackings_by_day", "visit_day", where="status <> 'completed'"),
    partial_index("tickets_by_day", "ticket_day", "person_id", where="ticket_day IS NOT NULL"),
    partial_index("ended_trackings_by_day", "visit_day", where="status = 'completed'"),
)

waiting_line = Table(
    "waiting_line",
    metadata,
    Column("id", Id, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id"), nullable=False),
    Column("appointment_id", ForeignKey("appointments.id"), nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("since", Timestamp, nullable=False),
    Column("person_id", ForeignKey("patients.id"), nullable=False),
    # The order of the line. It changes when a doctor does not use an offer.
    Column("turn", BigInteger, nullable=False),
    Column("unused_offers", Integer, nullable=False),
    # When the doctor was notified of a free patient who is reserved for no doctor (VISIT_OFFER_SECONDS=0).
    Column("notified_at", Timestamp),
    Index("one_place_in_line_per_doctor", "person_id", "doctor_id", unique=True),
)

# The doctor for whom a free patient is reserved. The row stands until the end of the reservation is recorded.
reservations = Table(
    "reservations",
    metadata,
    Column("person_id", ForeignKey("patients.id"), primary_key=True, autoincrement=False),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id"), nullable=False),
    Column("appointment_id", ForeignKey("appointments.id"), nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("since", Timestamp, nullable=False),
    Column("until", Timestamp, nullable=False),
    CheckConstraint("kind IN ('offered', 'called', 'transferred')", name="a_reservation_has_a_known_kind"),
    Index("reservations_by_end", "until"),
)

# The merges of patient records. `retired_id` was a survivor before, and `records` are the ids that moved with it, as a JSON list.
patient_merges = Table(
    "patient_merges",
    metadata,
    Column("id", Id, primary_key=True),
    Column("survivor_id", ForeignKey("patients.id"), nullable=False),
    Column("retired_id", ForeignKey("patients.id"), nullable=False),
    Column("records", Text, nullable=False),
    Column("merged_at", Timestamp, nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("both_in_consultation", Boolean, nullable=False),
    Column("caller_id", ForeignKey("callers.id"), nullable=False),
    Column("separated_at", Timestamp),
    partial_index("one_merge_per_record", "retired_id", where="separated_at IS NULL", unique=True),
)

# What happened to a patient, one row for each change. The timeline is permanent, but the event log is pruned.
timeline = Table(
    "timeline",
    metadata,
    Column("id", Id, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("event", String(40), nullable=False),
    Column("doctor_id", BigInteger),
    Column("appointment_id", BigInteger),
    Column("consultation_id", String(36)),
    Column("caller_id", ForeignKey("callers.id")),
    Column("particulars", Text, nullable=False, default="{}"),
    Column("reason", Text),
    # Of a refused start: the number of refusals in the row, NULL for one, and the time of the last one if there are several.
    # `holder_id` is the consultation that the patient or the appointment was in.
    Column("refusals", Integer),
    Column("last_at", Timestamp),
    Column("holder_id", String(36)),
    Index("timeline_by_visit", "patient_id", "visit_day", "id"),
    partial_index("rescues_in_timeline", "id", where="event = 'rescued'"),
    partial_index("refusals_by_day", "visit_day", where="event = 'refused'"),
)

# `request_id` is the SHA-256 of caller and Idempotency-Key. So (caller, key) is unique, and no text from a client is stored.
requests = Table(
    "requests",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("caller_id", ForeignKey("callers.id"), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("command", Text),
    Column("reason", Text),
    Column("decided_at", Timestamp),
    Column("status", SmallInteger),
    Column("body", Text),
    Column("location", String(200)),
    # The database's time at which the caller asked.
    Column("asked_at", Timestamp),
    # The time at which the sweep stopped to send the request, because it can never be recorded.
    Column("set_aside_at", Timestamp),
    # The `X-Request-ID` of the HTTP request.
    Column("http_request_id", String(128)),
    # Of a call on several patients: the appointments with which it began, as a JSON list of pairs (appointment, patient).
    Column("plan", Text),
    # What the ledger needs and no command may carry: the names of a new patient. NULL as soon as the request is decided.
    Column("material", Text),
    CheckConstraint("(decided_at IS NULL) = (status IS NULL)", name="a_decided_request_has_a_status"),
    Index("requests_by_age", "created_at"),
    partial_index("undecided_requests", "created_at", where="decided_at IS NULL"),
)
