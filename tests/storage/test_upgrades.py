"""Upgrades and downgrades with data: no row is lost, and what was open stays open."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.storage import accounts, migrations, schema_version
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import patient_trackings, reservations, waiting_line
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.search_words import patient_words
from tests.support.builders import DR_AMRANI, DR_LINDQVIST, DR_OKAFOR, an_appointment, seed
from tests.support.commands import a_past, a_pause, a_start, a_transfer, a_wait, an_undo_of_start
from tests.support.ledger import LedgerDriver, column
from tests.support.migrating import migrate_to, run_on

# Patient 1 is in consultation 'c1' after a check-in, and waits for appointment 12. Patient 2 is in 'c2', which began without a
# check-in. Appointment 13 is completed, and the patient of appointment 14 left.
ROWS = """
INSERT INTO patients (id, first_name, last_name) VALUES (1, 'John', 'Doe'), (2, 'Mary', 'Major')
INSERT INTO doctors (id, name) VALUES (1, 'Dr. Smith'), (2, 'Dr. Amrani')
INSERT INTO prestations (id, name, exclusive, expected_minutes) VALUES (1, 'Cardiology', TRUE, 20)
INSERT INTO appointments (id, patient_id, doctor_id, prestation_id, scheduled_at, status) VALUES
 (10, 1, 1, 1, '2026-03-02T09:00:00.000Z', 5), (11, 2, 2, 1, '2026-03-02T09:00:00.000Z', 5),
 (12, 1, 2, 1, '2026-03-02T10:00:00.000Z', 3), (13, 1, 2, 1, '2026-03-02T08:00:00.000Z', 4),
 (14, 2, 2, 1, '2026-03-02T08:00:00.000Z', 1)
INSERT INTO patient_trackings (patient_id, appointment_id, prestation_id, doctor_id, exclusive, visit_day, status, outcome,
 check_in_time, check_out_time, created_by, consultation_id, started_at, overdue_at, remind_at, reminders, abandon_at) VALUES
 (1, 10, 1, 1, TRUE, '2026-03-02', 'in_progress', NULL, '2026-03-02T08:50:00.000Z', NULL, 1, 'c1', '2026-03-02T09:00:00.000Z',
 '2026-03-02T09:20:00.000Z', '2026-03-02T09:20:00.000Z', 0, '2026-03-02T13:00:00.000Z'),
 (2, 11, 1, 2, TRUE, '2026-03-02', 'in_progress', NULL, '2026-03-02T09:05:00.000Z', NULL, 1, 'c2', '2026-03-02T09:05:00.000Z',
 '2026-03-02T09:25:00.000Z', '2026-03-02T09:25:00.000Z', 0, '2026-03-02T13:05:00.000Z'),
 (1, 12, 1, 2, TRUE, '2026-03-02', 'pending', NULL, '2026-03-02T09:10:00.000Z', NULL, 1, NULL, NULL, NULL, NULL, 0, NULL),
 (1, 13, 1, 2, TRUE, '2026-03-02', 'completed', 'done', '2026-03-02T08:00:00.000Z', '2026-03-02T08:20:00.000Z', 1, 'c3',
 '2026-03-02T08:00:00.000Z', '2026-03-02T08:20:00.000Z', '2026-03-02T08:20:00.000Z', 0, '2026-03-02T12:00:00.000Z'),
 (2, 14, 1, 2, TRUE, '2026-03-02', 'completed', 'cancelled', '2026-03-02T08:01:00.000Z', '2026-03-02T08:30:00.000Z', 1, NULL,
 NULL, NULL, NULL, 0, NULL)
INSERT INTO waiting_line (patient_id, doctor_id, appointment_id, visit_day, since, offered_until) VALUES
 (1, 2, 12, '2026-03-02', '2026-03-02T09:11:00.000Z', NULL), (2, 1, 10, '2026-03-02', '2026-03-02T09:12:00.000Z', NULL),
 (2, 2, 14, '2026-03-02', '2026-03-02T09:11:00.000Z', '2099-03-02T09:20:00.000Z')
INSERT INTO requests (request_id, caller_id, fingerprint, created_at, command) VALUES
 ('r1', 1, 'f1', '2026-03-02T09:12:00.000Z', '{}')
INSERT INTO timeline (patient_id, visit_day, at, event, particulars) VALUES
 (1, '2026-03-02', '2026-03-02T09:00:00.000Z', 'started', '{}')
"""
OPEN_LIMITS = (
    select(patient_trackings.c.appointment_id, patient_trackings.c.abandon_at)
    .where(patient_trackings.c.status == "in_progress")
    .order_by(patient_trackings.c.appointment_id)
)
Tables = dict[str, list[dict[str, Any]]]
TABLES = "patients, doctors, prestations, appointments, patient_trackings, waiting_line, requests, timeline"


def add_rows(connection: Connection) -> None:
    for statement in ROWS.strip().split("\nINSERT "):
        connection.execute(text(statement if statement.startswith("INSERT ") else f"INSERT {statement}"))


def read_tables(connection: Connection) -> Tables:
    """All rows of the tables, with the name of each column."""
    return {
        table: [dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))]
        for table in TABLES.split(", ")
    }


def with_times_of_limits(tables: Tables, earlier: Tables) -> Tables:
    """The tables with `abandon_at` as it was before, because an upgrade moves it."""
    rows = zip(tables["patient_trackings"], earlier["patient_trackings"], strict=True)
    return tables | {"patient_trackings": [new | {"abandon_at": old["abandon_at"]} for new, old in rows]}


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_upgrade_and_downgrade_keep_every_row(url: str, revision: str) -> None:
    await run_on(url, migrate_to(revision))
    await run_on(url, add_rows)
    before = await run_on(url, read_tables)

    migrations.upgrade(url)

    after = with_times_of_limits(await run_on(url, read_tables), before)
    assert {table: len(rows) for table, rows in after.items()} == {table: len(rows) for table, rows in before.items()}
    for table, rows in before.items():
        for old, new in zip(rows, after[table], strict=True):
            assert old.items() - {("offered_until", old.get("offered_until"))} <= new.items()
    migrations.downgrade(url, revision)
    assert with_times_of_limits(await run_on(url, read_tables), before) == before


async def test_upgrade_counts_time_limit_from_expected_end(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)

    migrations.upgrade(url)

    rows = await run_on(url, lambda connection: connection.execute(OPEN_LIMITS).all())
    assert [(row.appointment_id, row.abandon_at.isoformat()) for row in rows] == [
        (10, "2026-03-02T13:20:00+00:00"),
        (11, "2026-03-02T13:25:00+00:00"),
    ]


async def test_upgrade_gives_each_row_its_person(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)

    migrations.upgrade(url)

    after = await run_on(url, read_tables)
    assert [(row["id"], row["person_id"]) for row in after["patients"]] == [(1, 1), (2, 2)]
    assert all(row["person_id"] == row["patient_id"] for row in after["patient_trackings"])
    checked_in = {row["appointment_id"]: bool(row["checked_in"]) for row in after["patient_trackings"]}
    assert checked_in == {10: True, 11: False, 12: True, 13: False, 14: True}
    assert {row["origin"] for row in after["appointments"]} == {"booked"}
    assert all(row["active"] for row in (*after["doctors"], *after["prestations"]))


async def test_upgrade_turns_offer_into_reservation(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)

    migrations.upgrade(url)

    (reserved,) = await run_on(url, lambda connection: connection.execute(select(reservations)).all())
    line = await run_on(
        url, lambda connection: connection.execute(select(waiting_line).order_by(waiting_line.c.id)).all()
    )
    assert (reserved.person_id, reserved.kind, reserved.doctor_id, reserved.appointment_id) == (2, "offered", 2, 14)
    assert reserved.until.isoformat() == "2099-03-02T09:20:00+00:00"
    assert [(row.person_id, row.doctor_id, row.unused_offers) for row in line] == [(1, 2, 0), (2, 1, 0), (2, 2, 0)]
    # The order of the line is the order of arrival.
    turns = {(row.person_id, row.doctor_id): row.turn for row in line}
    assert turns[2, 2] < turns[2, 1]


async def test_upgraded_rule_is_about_the_person(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)
    migrations.upgrade(url)

    # Patients 1 and 2 turn out to be one person, and both are in an exclusive consultation.
    with pytest.raises(IntegrityError):
        await run_on(url, lambda connection: connection.execute(text("UPDATE patient_trackings SET person_id = 1")))


async def test_upgrade_refuses_row_without_its_parent(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'visits.db'}"
    await run_on(url, migrate_to("0002"))
    unchecked = Database(url, enforce_foreign_keys=False)
    await unchecked.write(add_rows)
    await unchecked.write(lambda connection: connection.execute(text("DELETE FROM patients WHERE id = 2")))
    await unchecked.close()

    with pytest.raises(schema_version.UnknownSchemaError, match="refers to a row of patients that does not exist"):
        migrations.upgrade(url)

    assert schema_version.current(url) == "0002"


async def test_upgrade_keeps_accounts_that_differ_in_case(url: str) -> None:
    await run_on(url, migrate_to("0005"))
    names = ["Maria", "maria", "DESK", "Desk", "Jose\u0301", "Zo\u00eb", "Bob"]
    revoked = ["bob", "BOB"]

    def add_accounts(connection: Connection) -> None:
        for name in revoked + names:
            connection.execute(
                text(
                    "INSERT INTO accounts (username, password_hash, name, role) VALUES (:name, '-', 'A', 'reception')"
                ),
                {"name": name},
            )
        for name in revoked:
            connection.execute(
                text("UPDATE accounts SET revoked_at = '2026-03-01T09:00:00.000Z' WHERE username = :name"),
                {"name": name},
            )

    await run_on(url, add_accounts)

    migrations.upgrade(url)

    async def find_username(typed: str) -> str | None:
        account = await run_on(url, lambda connection: accounts.find_account(connection, typed))
        return None if account is None else str(account.username)

    # Each name is found as before. Another spelling finds the account that is spelled without capitals, or else the oldest.
    assert [await find_username(name) for name in names] == names
    assert [await find_username(typed) for typed in ("bob", "bOB")] == ["Bob", "Bob"]
    assert [await find_username(typed) for typed in ("MARIA", "desk", "JOS\u00c9", "zo\u00eb", "jose")] == [
        "maria",
        "DESK",
        "Jose\u0301",
        "Zo\u00eb",
        None,
    ]
    for name in ("mARIA", "desk", "JOS\u00c9", *names):
        assert not await run_on(
            url, lambda connection, name=name: accounts.add_account(connection, name, "-", "A", Role.reception)
        )
    migrations.downgrade(url, "0005")
    stored = await run_on(url, lambda c: c.scalars(text("SELECT username FROM accounts ORDER BY id")).all())
    assert stored == revoked + names


async def test_upgrade_and_downgrade_keep_birth_dates(url: str) -> None:
    born = text("SELECT id, birth_date, first_name, last_name FROM patients ORDER BY id")
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)
    await run_on(url, migrate_to("0007"), enforce_foreign_keys=False)
    await run_on(
        url, lambda connection: connection.execute(text("UPDATE patients SET birth_date = '1980-02-29' WHERE id = 1"))
    )

    migrations.upgrade(url)

    rows = await run_on(url, lambda connection: connection.execute(born).all())
    assert [tuple(row) for row in rows] == [(1, "1980-02-29", "John", "Doe"), (2, None, "Mary", "Major")]
    only_year = text("UPDATE patients SET birth_date = '1980', first_name = NULL WHERE id = 2")
    await run_on(url, lambda connection: connection.execute(only_year))
    rows = await run_on(url, lambda connection: connection.execute(born).all())
    assert tuple(rows[1]) == (2, "1980", None, "Major")

    migrations.downgrade(url, "0007")

    rows = await run_on(url, lambda connection: connection.execute(born).all())
    assert [(row[0], row[1] and str(row[1]), *row[2:]) for row in rows] == [
        (1, "1980-02-29", "John", "Doe"),
        (2, None, "-", "Major"),
    ]


async def test_upgrade_writes_search_words(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)
    await run_on(url, migrate_to("0008"), enforce_foreign_keys=False)
    # With a rare Chinese character, which Python does not know as a letter yet, and a code point that is no character.
    last_name = "D'Ang\u00e9lo \U00031350\U0001ffff"

    def change_and_add(connection: Connection) -> None:
        renaming = "UPDATE patients SET first_name = NULL, last_name = :name, birth_date = '1980-02' WHERE id = 1"
        connection.execute(text(renaming), {"name": last_name})
        connection.execute(text("UPDATE patients SET record_number = 'MRN 1', first_name = 'Jean-Luc' WHERE id = 2"))
        more = [{"id": number, "name": f"Name{number}"} for number in range(10, 2_030)]
        connection.execute(text("INSERT INTO patients (id, last_name, person_id) VALUES (:id, :name, :id)"), more)

    await run_on(url, change_and_add)

    migrations.upgrade(url)

    rows = await run_on(url, lambda c: c.execute(text("SELECT patient_id, word FROM patient_search_words")).all())
    words: dict[int, set[str]] = {}
    for patient_id, word in rows:
        words.setdefault(patient_id, set()).add(word)
    assert words.pop(1) == patient_words(None, last_name, "1980-02", None)
    assert words.pop(2) == {"jean", "luc", "major", "mrn1"}
    assert words == {number: {f"name{number}"} for number in range(10, 2_030)}
    migrations.downgrade(url, "0008")
    assert "patient_search_words" not in await run_on(url, lambda c: inspect(c).get_table_names())


async def test_every_record_begins_with_version_1(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)
    await run_on(url, migrate_to("0007"), enforce_foreign_keys=False)

    migrations.upgrade(url)

    after = await run_on(url, read_tables)
    for kind in ("patients", "doctors", "prestations", "appointments"):
        assert after[kind]
        assert {(row["version"], row["as_of"]) for row in after[kind]} == {(1, None)}


# Patient 2 was merged into patient 1 while both were in an exclusive consultation.
MERGE = """
UPDATE patients SET person_id = 1 WHERE id = 2
UPDATE patient_trackings SET merged = TRUE WHERE status = 'in_progress'
UPDATE patient_trackings SET person_id = 1
DELETE FROM waiting_line WHERE patient_id = 2 AND doctor_id = 2
UPDATE waiting_line SET person_id = 1
UPDATE reservations SET person_id = 1
INSERT INTO patient_merges (survivor_id, retired_id, records, merged_at, visit_day, both_in_consultation, caller_id)
 VALUES (1, 2, '[2]', '2026-03-02T09:30:00.000Z', '2026-03-02', TRUE, 1)
"""


async def test_downgrade_separates_merged_records(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)
    migrations.upgrade(url)
    before = await run_on(url, read_tables)

    def merge(connection: Connection) -> None:
        for statement in re.split(r"\n(?! )", MERGE.strip()):
            connection.execute(text(statement))

    await run_on(url, merge)
    marked = text("SELECT person_id, merged FROM patient_trackings WHERE status = 'in_progress'")
    rows = await run_on(url, lambda connection: connection.execute(marked).all())
    assert [(row.person_id, bool(row.merged)) for row in rows] == [(1, True), (1, True)]
    migrations.downgrade(url, "0009")

    after = await run_on(url, read_tables)
    for table in ("patients", "patient_trackings", "appointments"):
        earlier = [
            {name: row[name] for name in columns} for row, columns in zip(before[table], after[table], strict=True)
        ]
        assert after[table] == earlier
    assert {(row["patient_id"], row["person_id"]) for row in after["waiting_line"]} == {(1, 1), (2, 2)}
    with pytest.raises(IntegrityError):
        await run_on(url, lambda connection: connection.execute(text("UPDATE patient_trackings SET person_id = 1")))
    assert "patient_merges" not in await run_on(url, lambda c: inspect(c).get_table_names())


async def test_downgrade_ends_pauses(url: str) -> None:
    await run_on(url, migrate_to("0002"))
    await run_on(url, add_rows)
    migrations.upgrade(url)

    def pause_both(connection: Connection) -> None:
        for statement in re.split(r"\n(?! )", MERGE.strip()):
            connection.execute(text(statement))
        paused = "status = 'paused', paused_at = '2026-03-02T10:00:00.000Z', merged = FALSE"
        connection.execute(text(f"UPDATE patient_trackings SET {paused} WHERE status = 'in_progress'"))

    await run_on(url, pause_both)
    migrations.downgrade(url, "0013")

    query = text(
        "SELECT patient_trackings.status, outcome, appointments.status AS appointment FROM patient_trackings"
        " JOIN appointments ON appointments.id = appointment_id"
        " WHERE patient_trackings.status = 'in_progress' OR outcome = 'timed_out' ORDER BY patient_trackings.id"
    )
    rows = await run_on(url, lambda connection: connection.execute(query).all())
    assert [tuple(row) for row in rows] == [("in_progress", None, 5), ("completed", "timed_out", 1)]


async def test_log_and_rows_agree_after_a_downgrade(url: str) -> None:
    """A transfer, a start that was a mistake, and a pause during which the patient is reserved for another doctor."""
    of_amrani, of_okafor = an_appointment(DR_AMRANI, number=1), an_appointment(DR_OKAFOR, number=2)
    migrations.upgrade(url)
    database = Database(url)
    visit = LedgerDriver(database)
    await database.write(seed, of_amrani, of_okafor)
    await visit.send(a_start(of_amrani, "first"))
    await visit.send(a_transfer(of_amrani, visit.running, DR_LINDQVIST))
    await visit.send(a_start(await visit.appointment(of_amrani.id), "by the receiver"))
    await visit.send(an_undo_of_start(visit.running, a_past(of_amrani)))
    await visit.send(a_start(of_okafor, "last"))
    await visit.send(a_wait(await visit.appointment(of_amrani.id)))
    await visit.send(a_pause(visit.running))
    reserved = await database.read(column, "reservations", "doctor_id")
    before = await database.read(audit)
    await database.close()

    migrations.downgrade(url, "0013")
    migrations.upgrade(url)

    outcomes = await run_on(url, lambda c: column(c, "patient_trackings", "outcome"))
    assert (before.violations, reserved) == ([], [DR_LINDQVIST.id])
    assert outcomes == ["released", "released", None, None]
    assert (await run_on(url, audit)).violations == []
    assert await run_on(url, lambda c: column(c, "reservations", "doctor_id")) == []


async def test_password_of_a_wall_goes_with_a_downgrade(url: str) -> None:
    migrations.upgrade(url)
    await run_on(url, lambda c: accounts.add_account(c, "hall", "hash", "Hall", Role.wall, None))
    await run_on(url, lambda c: accounts.add_account(c, "desk", "hash", "Desk", Role.reception, None))

    migrations.downgrade(url, "0013")

    query = text("SELECT username, role, password_hash, revoked_at IS NULL FROM accounts ORDER BY username")
    rows = await run_on(url, lambda connection: connection.execute(query).all())
    assert [tuple(row) for row in rows] == [("desk", "reception", "hash", True), ("hall", "service", "", False)]


EVENT = "INSERT INTO events (seq, dedup_key, at, channel, name, data, patient_id, consultation_id) VALUES"
LOG = "SELECT seq, dedup_key, at, channel, name, data, patient_id, consultation_id FROM events ORDER BY seq"


async def test_events_keep_their_rows_and_positions(url: str) -> None:
    def run(statement: str) -> Any:
        return run_on(url, lambda connection: connection.execute(text(statement)).all())

    def add(values: str) -> Any:
        return run_on(url, lambda connection: connection.execute(text(f"{EVENT} ({values})")))

    await run_on(url, migrate_to("0010"))
    await add("1, 'k1', '2026-03-02T09:00:00.000Z', 'consultations', 'consultation.started', '{}', 7, 'c1'")
    before = await run(LOG)

    migrations.upgrade(url)
    assert await run(LOG) == before
    await add("2, 'k2', '2026-03-02T09:00:00.000Z', 'consultations', 'doctor.updated', '{}', NULL, NULL")
    both = await run(LOG)
    with pytest.raises(IntegrityError):
        await add("3, 'k2', '2026-03-02T09:00:00.000Z', 'consultations', 'doctor.updated', '{}', NULL, NULL")
    migrations.downgrade(url, "0010")

    assert [(row.seq, row.patient_id) for row in await run(LOG)] == [(1, 7), (2, 0)]
    migrations.upgrade(url)
    assert await run(LOG) == both


ACCOUNTS = """
INSERT INTO doctors (id, name) VALUES (7, 'Dr. Smith')
INSERT INTO accounts (id, username, login, password_hash, name, role, doctor_id, revoked_at) VALUES
 (3, 'Smith', 'smith', 'h1', 'Dr. Smith', 'doctor', 7, NULL), (5, 'desk', 'desk', 'h2', 'Desk', 'reception', NULL, NULL),
 (6, 'old', 'old', 'h3', 'Old', 'supervisor', NULL, '2026-03-01T09:00:00.000Z')
INSERT INTO sessions (token_hash, account_id, created_at, expires_at) VALUES
 ('s5', 5, '2026-03-02T09:00:00.000Z', '2026-03-02T21:00:00.000Z')
INSERT INTO sign_in_places (place, account_id, seen_at) VALUES ('p', 5, '2026-03-02T09:00:00.000Z')
"""
ADMIN = "INSERT INTO accounts (id, username, login, password_hash, name, role) VALUES (8, 'boss', 'boss', 'h4', 'B', 'admin')"
SESSION_OF_ADMIN = """INSERT INTO sessions (token_hash, account_id, created_at, expires_at) VALUES
 ('s8', 8, '2026-03-02T09:00:00.000Z', '2026-03-02T21:00:00.000Z')"""


async def test_accounts_keep_their_rows_and_admins_are_closed(url: str) -> None:
    def add(connection: Connection) -> None:
        for statement in re.split(r"\n(?! )", ACCOUNTS.strip()):
            connection.execute(text(statement))

    def read(connection: Connection) -> list[list[Any]]:
        tables = ("accounts", "sessions", "sign_in_places")
        return [[row._mapping for row in connection.execute(text(f"SELECT * FROM {name}"))] for name in tables]

    def run(statement: str) -> Any:
        return run_on(url, lambda connection: connection.execute(text(statement)))

    await run_on(url, migrate_to("0011"))
    await run_on(url, add)
    before = await run_on(url, read)
    with pytest.raises(IntegrityError):
        await run(ADMIN)

    migrations.upgrade(url)
    assert await run_on(url, read) == before
    await run(ADMIN)
    await run(SESSION_OF_ADMIN)
    for wrong in (ADMIN.replace("'admin'", "'king'"), ADMIN.replace("8, 'boss', 'boss'", "9, 'boss', 'other'")):
        with pytest.raises(IntegrityError):
            await run(wrong)
    migrations.downgrade(url, "0011")

    after = await run_on(url, read)
    (closed,) = [row for row in after[0] if row["id"] == 8]
    assert (closed["role"], closed["revoked_at"] is not None) == ("service", True)
    assert [[row for row in table if row.get("id") != 8] for table in after] == before
    assert await run_on(url, lambda c: accounts.find_account(c, "boss")) is None
