"""The audit passes a database that only the ledger wrote, and finds every kind of damage that was done to it by hand."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, text

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import NameCache, read_appointment
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from patient_visit_engine.storage.upkeep.audit import MOST_NAMED, AuditReport, audit
from patient_visit_engine.visit.commands import Command, CompleteConsultation, Request, StartConsultation
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import VisitState

DAY = date(2026, 3, 2)
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
JOHN, MARY = 1, 2
SMITH, AMRANI = 1, 2
CARDIOLOGY, XRAY = 1, 2
#: appointment: patient, doctor, prestation
BOOK = {
    10: (JOHN, SMITH, CARDIOLOGY),
    11: (JOHN, AMRANI, CARDIOLOGY),
    12: (JOHN, AMRANI, XRAY),
    20: (MARY, SMITH, CARDIOLOGY),
}


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database: what the audit finds does not depend on which."""
    opened: Database = request.getfixturevalue(f"on_{request.param}")
    return opened


def open_clinic(connection: Connection) -> None:
    connection.execute(insert(patients), [{"id": n, "first_name": "John", "last_name": "Doe"} for n in (JOHN, MARY)])
    connection.execute(insert(doctors), [{"id": n, "name": f"Dr. {n}"} for n in (SMITH, AMRANI)])
    kinds = [(CARDIOLOGY, True), (XRAY, False)]
    rows = [{"id": n, "name": "Visit", "exclusive": exclusive, "expected_minutes": 20} for n, exclusive in kinds]
    connection.execute(insert(prestations), rows)
    for number, (patient, doctor, prestation) in BOOK.items():
        row = {
            "patient_id": patient,
            "doctor_id": doctor,
            "prestation_id": prestation,
            "scheduled_at": NINE,
            "status": 1,
        }
        connection.execute(insert(appointments).values(id=number, **row))


async def decide_and_record(database: Database, patient: int, command: Command, at: datetime) -> None:
    ledger = Ledger(database)
    facts = await ledger.load(patient)
    state = VisitState(patient_id=patient, day=DAY, day_ends_at=NINE + timedelta(hours=15), facts=facts)
    appointment = command.appointment if isinstance(command, StartConsultation) else None
    decision = decide(state, command, at)
    entry = LedgerEntry(
        patient_id=patient, day=DAY, decision=decision, seen=facts, request=command.request, appointment=appointment
    )
    recorded = await ledger.record(entry)
    assert not recorded.overtaken


def asked(*words: object) -> Request:
    return Request(id=hashlib.sha256(repr(words).encode()).hexdigest(), caller_id=1, fingerprint="f")


async def start(database: Database, appointment: int, at: datetime) -> None:
    stored = await database.read(read_appointment, appointment, NameCache())
    assert stored is not None
    request = asked("start", appointment, at)
    await decide_and_record(database, stored.patient_id, StartConsultation(request=request, appointment=stored), at)


async def complete(database: Database, appointment: int, at: datetime) -> None:
    patient, doctor, _ = BOOK[appointment]
    running = (await Ledger(database).load(patient)).in_progress
    consultation = next(c.id for c in running if c.appointment_id == appointment)
    request = asked("complete", consultation)
    command = CompleteConsultation(patient_id=patient, request=request, consultation_id=consultation, doctor_id=doctor)
    await decide_and_record(database, patient, command, at)


async def a_morning(database: Database) -> None:
    """John: cardiology 9:00 to 9:10, refused meanwhile; then Dr. Amrani and an X-ray beside it, both in progress. Mary: one."""
    await database.write(open_clinic)
    minute = timedelta(minutes=1)
    await start(database, 10, NINE)
    await start(database, 11, NINE + minute)
    await start(database, 20, NINE + minute)
    await complete(database, 10, NINE + 10 * minute)
    await start(database, 11, NINE + 11 * minute)
    await start(database, 12, NINE + 12 * minute)
    await complete(database, 20, NINE + 13 * minute)


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


async def audit_after(database: Database, *statements: str) -> AuditReport:
    await a_morning(database)
    await database.write(run, *statements)
    return await database.read(audit)


async def test_a_day_that_only_the_ledger_wrote_holds(database: Database) -> None:
    await a_morning(database)

    report = await database.read(audit)

    assert report.violations == []
    assert report.holds
    # Four starts, a refusal told to its doctor, two completions.
    assert report.looked_at == {
        "patients": 2,
        "appointments": 4,
        "trackings": 4,
        "events": 7,
        "consultations": 4,
        "in progress": 2,
        "oldest kept position": 1,
        "head of the log": 7,
    }


async def test_an_empty_database_holds(database: Database) -> None:
    report = await database.read(audit)

    assert report.holds


# The only consultation of John's that is over.
COMPLETED_10 = f"name = 'consultation.completed' AND patient_id = {JOHN}"
CONSULTATION_10 = "(SELECT consultation_id FROM patient_trackings WHERE appointment_id = 10)"
COPY_TRACKING = (
    "INSERT INTO patient_trackings (patient_id, appointment_id, prestation_id, doctor_id, exclusive, visit_day, status, outcome,"
    " check_in_time, check_out_time, created_by, reminders, consultation_id, started_at)"
    " SELECT patient_id, {appointment}, prestation_id, doctor_id, exclusive, visit_day, status, outcome, check_in_time,"
    " check_out_time, created_by, 0, 'copy', started_at FROM patient_trackings WHERE appointment_id = {source}"
)

DAMAGE = {
    # The end of the first consultation is told only after the start of the second.
    "overlapping_consultations": (
        f"UPDATE events SET seq = 1000 WHERE {COMPLETED_10}",
        "UPDATE events SET seq = seq - 1 WHERE seq = 5",
        f"UPDATE events SET seq = 5 WHERE {COMPLETED_10}",
    ),
    "two_in_progress_for_appointment": (
        "DROP INDEX one_consultation_per_appointment",
        "DROP INDEX one_exclusive_consultation_per_patient",
        COPY_TRACKING.format(appointment=11, source=11),
    ),
    "completed_twice": (
        "DROP INDEX an_appointment_is_completed_once",
        COPY_TRACKING.format(appointment=10, source=10),
    ),
    "checked_in_twice": (
        "DROP INDEX one_check_in_per_appointment",
        *(
            "INSERT INTO patient_trackings (patient_id, appointment_id, prestation_id, doctor_id, exclusive, visit_day, status,"
            " check_in_time, created_by, reminders) VALUES (1, 10, 1, 1, TRUE, '2026-03-02', 'pending', '2026-03-02T09:00:00.000Z', 1, 0)"
            for _ in range(2)
        ),
    ),
    "gap_in_log": ("DELETE FROM events WHERE name = 'consultation.blocked'",),
    "state_without_event": (f"DELETE FROM events WHERE {COMPLETED_10}",),
    "event_without_state": ("DELETE FROM patient_trackings WHERE appointment_id = 10",),
    "started_twice": (f"UPDATE events SET name = 'consultation.started' WHERE {COMPLETED_10}",),
    "ended_while_not_in_progress": ("UPDATE events SET name = 'consultation.completed' WHERE seq = 1",),
    "unreadable_event": ("UPDATE events SET data = '{' WHERE seq = 1",),
    "inconsistent_status": ("UPDATE appointments SET status = 1 WHERE id = 11",),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damage_is_found_and_named(database: Database, kind: str) -> None:
    report = await audit_after(database, *DAMAGE[kind])

    assert kind in report.kinds
    assert not report.holds
    assert all("John" not in found.about and "Doe" not in found.about for found in report.violations)


async def test_two_exclusive_consultations_in_the_tables_are_found_without_any_event(database: Database) -> None:
    report = await audit_after(
        database,
        "DROP INDEX one_exclusive_consultation_per_patient",
        "UPDATE patient_trackings SET exclusive = TRUE WHERE appointment_id = 12",
    )

    assert report.kinds == {"overlapping_consultations": 1}
    assert report.violations[0].about == f"patient {JOHN}: 2 trackings"


async def test_an_overlap_is_told_by_position_even_where_the_clocks_agree_with_the_rule(database: Database) -> None:
    report = await audit_after(database, *DAMAGE["overlapping_consultations"])

    assert report.kinds == {"overlapping_consultations": 1}
    assert f"patient {JOHN} was still in" in report.violations[0].about


async def test_a_completion_that_was_told_twice_is_found(database: Database) -> None:
    report = await audit_after(
        database,
        "INSERT INTO events SELECT 8, 'again', at, channel, name, data, patient_id, consultation_id FROM events"
        f" WHERE {COMPLETED_10}",
        "UPDATE log_head SET seq = 8",
    )

    assert report.kinds == {"completed_twice": 1, "ended_while_not_in_progress": 1}


async def test_a_completion_told_with_another_outcome_is_found(database: Database) -> None:
    other = """replace(data, '"outcome":"done"', '"outcome":"released"')"""
    report = await audit_after(database, f"UPDATE events SET data = {other} WHERE {COMPLETED_10}")

    assert report.kinds == {"event_without_state": 1}


async def test_a_completion_of_what_is_still_in_progress_is_found(database: Database) -> None:
    report = await audit_after(
        database,
        "DROP INDEX an_appointment_is_completed_once",
        "UPDATE patient_trackings SET status = 'in_progress', outcome = NULL, check_out_time = NULL WHERE appointment_id = 20",
    )

    assert report.kinds == {"event_without_state": 1, "inconsistent_status": 2}


async def test_an_end_of_the_log_that_was_cut_off_is_found(database: Database) -> None:
    report = await audit_after(database, "UPDATE log_head SET seq = 9")

    assert report.kinds == {"gap_in_log": 1}


async def test_a_pruned_log_still_holds_and_what_ran_before_it_still_counts(database: Database) -> None:
    await a_morning(database)
    # As pruning does it: from the oldest on. The starts of 10 and 20 are no longer kept, their ends are.
    await database.write(run, "DELETE FROM events WHERE seq <= 3")

    pruned = await database.read(audit)
    await database.write(run, f"UPDATE events SET seq = 1000 WHERE {COMPLETED_10}")
    await database.write(
        run, "UPDATE events SET seq = 4 WHERE seq = 5", f"UPDATE events SET seq = 5 WHERE {COMPLETED_10}"
    )
    swapped = await database.read(audit)

    assert pruned.violations == []
    assert swapped.kinds == {"overlapping_consultations": 1}


async def test_a_log_that_was_pruned_to_nothing_holds(database: Database) -> None:
    report = await audit_after(database, "DELETE FROM events")

    assert report.violations == []


async def test_only_so_many_violations_are_kept_but_all_are_counted(database: Database) -> None:
    report = AuditReport()

    for number in range(MOST_NAMED + 5):
        report.violated("gap_in_log", str(number))

    assert len(report.violations) == MOST_NAMED
    assert report.kinds["gap_in_log"] == MOST_NAMED + 5


async def test_an_event_that_tells_of_somebody_else_and_one_of_no_consultation_are_told_apart(
    database: Database,
) -> None:
    stranger = await audit_after(database, "UPDATE events SET patient_id = 2 WHERE seq = 1")
    await database.write(run, "DELETE FROM patient_trackings WHERE appointment_id = 10")
    nobody = await database.read(audit)

    assert any(found.about.endswith(f"told of patient {MARY}, kept of {JOHN}") for found in stranger.violations)
    assert any(found.about.endswith("and no such tracking") for found in nobody.violations)
