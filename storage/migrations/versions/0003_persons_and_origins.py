"""Persons, and what the hospital's records say about doctors, prestations, appointments and trackings.

SQLite cannot change a constraint or add a column that must not be null. There, such a table is built again with its rows.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")

OLD_STATUS = "status IN ('pending', 'in_progress', 'completed')"
NEW_STATUS = "status IN ('pending', 'in_progress', 'paused', 'completed')"
OLD_CONSULTATION = "status <> 'in_progress' OR consultation_id IS NOT NULL"
NEW_CONSULTATION = "status NOT IN ('in_progress', 'paused') OR consultation_id IS NOT NULL"
# The time limit of a consultation used to count from its start, and now counts from its expected end.
LIMIT_FROM_EXPECTED_END = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', julianday(overdue_at) + julianday(abandon_at) - julianday(started_at))",
    "postgresql": "overdue_at + (abandon_at - started_at)",
}
# A row without a start was a check-in. A start without a check-in has the start's time as time of arrival.
CHECKED_IN = "started_at IS NULL OR check_in_time < started_at"

MASTER_DATA_COLUMNS = {
    "doctors": ("active BOOLEAN DEFAULT true NOT NULL", "department_id BIGINT"),
    "prestations": ("active BOOLEAN DEFAULT true NOT NULL", "department_id BIGINT"),
    "appointments": (
        "origin VARCHAR(20) DEFAULT 'booked' NOT NULL"
        " CONSTRAINT an_appointment_has_a_known_origin CHECK (origin IN ('booked', 'walk_in'))",
        "expected_minutes INTEGER CONSTRAINT an_appointment_takes_time CHECK (expected_minutes > 0)",
        "earlier_status SMALLINT CONSTRAINT an_earlier_status_is_known CHECK (earlier_status BETWEEN 0 AND 5)",
        "department_id BIGINT",
    ),
}
REQUEST_COLUMNS = ("asked_at", "set_aside_at")


def only(rows: str) -> dict[str, Any]:
    """Arguments for an index of only these rows, for both databases."""
    return {"sqlite_where": sa.text(rows), "postgresql_where": sa.text(rows)}


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    """Each patient record becomes a person. All other new columns are empty, or have the value that was meant until now."""
    for table, columns in MASTER_DATA_COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for name in REQUEST_COLUMNS:
        op.add_column("requests", sa.Column(name, MOMENT))
    _drop_tracking_indexes("one_exclusive_consultation_per_patient")
    if is_sqlite():
        _rebuild("patients", _patients(with_person=True), {"person_id": "id"})
        _rebuild(
            "patient_trackings",
            _trackings(is_new=True),
            {"person_id": "patient_id", "checked_in": CHECKED_IN, "ticket": "NULL", "not_seen_at": "NULL"},
        )
    else:
        _add_columns_on_postgres()
    limit = LIMIT_FROM_EXPECTED_END[op.get_bind().dialect.name]
    op.execute(f"UPDATE patient_trackings SET abandon_at = {limit} WHERE status = 'in_progress'")  # noqa: S608 - constant
    op.create_index("patients_by_person", "patients", ["person_id"])
    op.create_index("trackings_by_person", "patient_trackings", ["person_id", "status"])
    op.create_index("consultations_by_doctor", "patient_trackings", ["doctor_id"], **only("status = 'in_progress'"))
    _create_tracking_indexes(
        "one_exclusive_consultation_per_person", "person_id", "status IN ('in_progress', 'paused')"
    )


def downgrade() -> None:
    """Drop the new columns. Nothing of the older schema is lost: a paused consultation runs again.

    The time limits stay, because they are later than those of the older program.
    """
    op.execute("UPDATE patient_trackings SET status = 'in_progress' WHERE status = 'paused'")
    op.drop_index("patients_by_person", "patients")
    op.drop_index("trackings_by_person", "patient_trackings")
    op.drop_index("consultations_by_doctor", "patient_trackings")
    _drop_tracking_indexes("one_exclusive_consultation_per_person")
    if is_sqlite():
        _rebuild("patients", _patients(with_person=False), {})
        _rebuild("patient_trackings", _trackings(is_new=False), {})
    else:
        _drop_columns_on_postgres()
    _create_tracking_indexes("one_exclusive_consultation_per_patient", "patient_id", "status = 'in_progress'")
    for table, columns in MASTER_DATA_COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column.partition(' ')[0]}")
    for name in REQUEST_COLUMNS:
        op.execute(f"ALTER TABLE requests DROP COLUMN {name}")


def _add_columns_on_postgres() -> None:
    op.add_column("patients", sa.Column("person_id", sa.BigInteger(), sa.ForeignKey("patients.id")))
    op.execute("UPDATE patients SET person_id = id")
    op.alter_column("patients", "person_id", nullable=False)
    op.add_column("patient_trackings", sa.Column("person_id", sa.BigInteger(), sa.ForeignKey("patients.id")))
    op.add_column("patient_trackings", sa.Column("checked_in", sa.Boolean()))
    op.add_column("patient_trackings", sa.Column("ticket", sa.String(10)))
    op.add_column("patient_trackings", sa.Column("not_seen_at", MOMENT))
    op.execute(f"UPDATE patient_trackings SET person_id = patient_id, checked_in = ({CHECKED_IN})")  # noqa: S608 - constant
    op.alter_column("patient_trackings", "person_id", nullable=False)
    op.alter_column("patient_trackings", "checked_in", nullable=False)
    _replace_checks_on_postgres(NEW_STATUS, NEW_CONSULTATION)


def _drop_columns_on_postgres() -> None:
    for name in ("person_id", "checked_in", "ticket", "not_seen_at"):
        op.drop_column("patient_trackings", name)
    op.drop_column("patients", "person_id")
    _replace_checks_on_postgres(OLD_STATUS, OLD_CONSULTATION)


def _replace_checks_on_postgres(status: str, consultation: str) -> None:
    for name, condition in (
        ("a_tracking_has_a_known_status", status),
        ("in_progress_means_a_consultation", consultation),
    ):
        op.drop_constraint(name, "patient_trackings")
        op.create_check_constraint(name, "patient_trackings", condition)


def _patients(*, with_person: bool) -> list[Any]:
    items: list[Any] = [
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_name", sa.String(200), nullable=False),
        sa.Column("last_name", sa.String(200), nullable=False),
        sa.Column("birth_date", sa.Date()),
        sa.PrimaryKeyConstraint("id"),
    ]
    if with_person:
        items += [
            sa.Column("person_id", sa.BigInteger(), nullable=False),
            sa.ForeignKeyConstraint(["person_id"], ["patients.id"]),
        ]
    return items


def _trackings(*, is_new: bool) -> list[Any]:
    items: list[Any] = [
        sa.Column("id", ID, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("appointment_id", sa.BigInteger(), nullable=False),
        sa.Column("prestation_id", sa.BigInteger(), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(20)),
        sa.Column("check_in_time", MOMENT, nullable=False),
        sa.Column("check_out_time", MOMENT),
        sa.Column("created_by", ID, nullable=False),
        sa.Column("consultation_id", sa.String(36)),
        sa.Column("started_at", MOMENT),
        sa.Column("overdue_at", MOMENT),
        sa.Column("remind_at", MOMENT),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("abandon_at", MOMENT),
        sa.CheckConstraint(
            "(status = 'completed') = (check_out_time IS NOT NULL) AND (status = 'completed') = (outcome IS NOT NULL)",
            name="a_completed_tracking_says_when_and_why",
        ),
        sa.CheckConstraint(NEW_CONSULTATION if is_new else OLD_CONSULTATION, name="in_progress_means_a_consultation"),
        sa.CheckConstraint(NEW_STATUS if is_new else OLD_STATUS, name="a_tracking_has_a_known_status"),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"]),
        sa.ForeignKeyConstraint(["created_by"], ["callers.id"]),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["prestation_id"], ["prestations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("consultation_id"),
    ]
    if is_new:
        items += [
            sa.Column("person_id", sa.BigInteger(), nullable=False),
            sa.Column("checked_in", sa.Boolean(), nullable=False),
            sa.Column("ticket", sa.String(10)),
            sa.Column("not_seen_at", MOMENT),
            sa.ForeignKeyConstraint(["person_id"], ["patients.id"]),
        ]
    return items


def _rebuild(table: str, items: list[Any], new_columns: dict[str, str]) -> None:
    """Replace the table on SQLite. Its rows are copied, and `new_columns` gives the SQL of each new column."""
    op.create_table(f"new_{table}", *items)
    columns = [item.name for item in items if isinstance(item, sa.Column)]
    values = [new_columns.get(column, column) for column in columns]
    rows = f"SELECT {', '.join(values)} FROM {table}"  # noqa: S608 - only names of this file
    op.execute(f"INSERT INTO new_{table} ({', '.join(columns)}) {rows}")
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)


def _drop_tracking_indexes(rule: str) -> None:
    for name in (
        rule,
        "one_consultation_per_appointment",
        "one_check_in_per_appointment",
        "an_appointment_is_completed_once",
        "open_trackings_by_day",
        "trackings_by_appointment",
        "trackings_by_patient",
    ):
        op.drop_index(name, "patient_trackings")


def _create_tracking_indexes(rule: str, holder: str, running: str) -> None:
    """Create the indexes. `rule` is the name of the first rule's index over the column `holder`."""
    unique = {
        rule: (holder, "status = 'in_progress' AND exclusive"),
        "one_consultation_per_appointment": ("appointment_id", running),
        "one_check_in_per_appointment": ("appointment_id", "status = 'pending'"),
        "an_appointment_is_completed_once": ("appointment_id", "outcome = 'done'"),
    }
    for name, (column, rows) in unique.items():
        op.create_index(name, "patient_trackings", [column], unique=True, **only(rows))
    op.create_index("open_trackings_by_day", "patient_trackings", ["visit_day"], **only("status <> 'completed'"))
    op.create_index("trackings_by_appointment", "patient_trackings", ["appointment_id"])
    op.create_index("trackings_by_patient", "patient_trackings", ["patient_id", "status"])
