"""The tables of records that other systems feed: their identifiers there, and what each feed sent last."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, SmallInteger, String, Table, Text

from patient_visit_engine.storage.tables.columns import metadata

KNOWN_KINDS = "kind IN ('patient', 'doctor', 'prestation', 'appointment')"

# The names of a record in other systems. `position` is the order in which they were sent.
identifiers = Table(
    "identifiers",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("system", String(200), primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("record_id", BigInteger, nullable=False),
    Column("position", SmallInteger, nullable=False),
    CheckConstraint(KNOWN_KINDS, name="an_identifier_is_of_a_known_kind"),
    Index("identifiers_by_record", "kind", "record_id"),
)

# The fields that a caller sent last for a record, as JSON. A feed that repeats them changes nothing, also when the record has been
# changed here since.
sent_records = Table(
    "sent_records",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    Column("caller_id", ForeignKey("callers.id"), primary_key=True),
    Column("fields", Text, nullable=False),
    CheckConstraint(KNOWN_KINDS, name="a_sent_record_is_of_a_known_kind"),
)
