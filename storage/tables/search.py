"""The table of the words by which patients are found."""

from sqlalchemy import Column, ForeignKey, Index, String, Table

from patient_visit_engine.storage.tables.columns import metadata

#: The order of the bytes. Each other order of PostgreSQL could put words with one beginning apart.
Word = String(60).with_variant(String(60, collation="C"), "postgresql")

# The folded words of names, birth date and record number. A search reads the range of words with one beginning.
patient_search_words = Table(
    "patient_search_words",
    metadata,
    Column("word", Word, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), primary_key=True),
    # For the second word of a search, and for a change of a patient.
    Index("patient_search_words_by_patient", "patient_id", "word"),
    # The primary key is the table, so that SQLite stores each word once less.
    sqlite_with_rowid=False,
)
