"""Records of other systems: identifiers, versions, the time at which a source knew them, and what each feed sent last.

A patient may have one name only, a part of a birth date, a sex and a record number.

SQLite cannot change a column. There, the table of patients is built again with its rows.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")

KINDS = ("patients", "doctors", "prestations", "appointments")
A_NAME = "first_name IS NOT NULL OR last_name IS NOT NULL"
A_SEX = "sex IN ('male', 'female', 'other', 'unknown')"
A_KIND = "kind IN ('patient', 'doctor', 'prestation', 'appointment')"


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    """Every record gets version 1. Nothing else is known of the records that exist."""
    if is_sqlite():
        _rebuild_patients(_new_patients())
    else:
        _change_patients_on_postgres()
    for table in KINDS:
        if not (table == "patients" and is_sqlite()):
            op.add_column(table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
            op.add_column(table, sa.Column("as_of", MOMENT))
    op.add_column("doctors", sa.Column("room", sa.String(200)))
    op.create_table(
        "identifiers",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("system", sa.String(200), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(A_KIND, name="an_identifier_is_of_a_known_kind"),
        sa.PrimaryKeyConstraint("kind", "system", "value"),
    )
    op.create_index("identifiers_by_record", "identifiers", ["kind", "record_id"])
    op.create_table(
        "sent_records",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("caller_id", ID, nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.CheckConstraint(A_KIND, name="a_sent_record_is_of_a_known_kind"),
        sa.ForeignKeyConstraint(["caller_id"], ["callers.id"]),
        sa.PrimaryKeyConstraint("kind", "record_id", "caller_id"),
    )


def downgrade() -> None:
    """Drop what the older program does not know. A missing name becomes "-", and a part of a birth date is lost."""
    op.drop_table("sent_records")
    op.drop_table("identifiers")
    op.drop_column("doctors", "room")
    for table in KINDS:
        if not (table == "patients" and is_sqlite()):
            op.drop_column(table, "as_of")
            op.drop_column(table, "version")
    op.execute("UPDATE patients SET first_name = '-' WHERE first_name IS NULL")
    op.execute("UPDATE patients SET last_name = '-' WHERE last_name IS NULL")
    op.execute("UPDATE patients SET birth_date = NULL WHERE length(birth_date) < 10")
    if is_sqlite():
        _rebuild_patients(_old_patients())
        return
    op.drop_constraint("a_patient_has_a_name", "patients")
    op.drop_constraint("a_sex_is_known", "patients")
    op.drop_column("patients", "record_number")
    op.drop_column("patients", "sex")
    op.alter_column("patients", "birth_date", type_=sa.Date(), postgresql_using="birth_date::date")
    for name in ("first_name", "last_name"):
        op.alter_column("patients", name, nullable=False)


def _change_patients_on_postgres() -> None:
    for name in ("first_name", "last_name"):
        op.alter_column("patients", name, nullable=True)
    op.alter_column("patients", "birth_date", type_=sa.String(10), postgresql_using="to_char(birth_date, 'YYYY-MM-DD')")
    op.add_column("patients", sa.Column("sex", sa.String(10)))
    op.add_column("patients", sa.Column("record_number", sa.String(200)))
    op.create_check_constraint("a_patient_has_a_name", "patients", A_NAME)
    op.create_check_constraint("a_sex_is_known", "patients", A_SEX)


def _new_patients() -> list[Any]:
    return [
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_name", sa.String(200)),
        sa.Column("last_name", sa.String(200)),
        sa.Column("birth_date", sa.String(10)),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("sex", sa.String(10)),
        sa.Column("record_number", sa.String(200)),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("as_of", MOMENT),
        sa.CheckConstraint(A_NAME, name="a_patient_has_a_name"),
        sa.CheckConstraint(A_SEX, name="a_sex_is_known"),
        sa.ForeignKeyConstraint(["person_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    ]


def _old_patients() -> list[Any]:
    return [
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_name", sa.String(200), nullable=False),
        sa.Column("last_name", sa.String(200), nullable=False),
        sa.Column("birth_date", sa.Date()),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    ]


def _rebuild_patients(items: list[Any]) -> None:
    """Replace the table on SQLite, with the columns that it has in both schemas."""
    columns = "id, first_name, last_name, birth_date, person_id"
    op.drop_index("patients_by_person", "patients")
    op.create_table("new_patients", *items)
    op.execute(f"INSERT INTO new_patients ({columns}) SELECT {columns} FROM patients")  # noqa: S608 - only names of this file
    op.drop_table("patients")
    op.rename_table("new_patients", "patients")
    op.create_index("patients_by_person", "patients", ["person_id"])
