"""The audit accepts a database that only the ledger wrote, and finds every kind of manual damage."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, text

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from patient_visit_engine.storage.upkeep.audit import MAX_DESCRIBED, AuditReport, audit
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.consultation_commands import CompleteConsultation, StartConsultation
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.state import VisitState
from tests.support.databases import database_on

DAY = date(2026, 3, 2)
NINE_OCLOCK = datetime(2026, 3, 2, 9, tzinfo=UTC)
JOHN, MARY = 1, 2
SMITH, AMRANI = 1, 2
CARDIOLOGY, XRAY = 1, 2
#: Patient, doctor and prestation of each appointment.
APPOINTMENTS = {
    10: (JOHN, SMITH, CARDIOLOGY),
    11: (JOHN, AMRANI, CARDIOLOGY),
    12: (JOHN, AMRANI, XRAY),
    20: (MARY, SMITH, CARDIOLOGY),
}

database = database_on("sqlite", "postgres")


def add_master_data(connection: Connection) -> None:
    connection.execute(insert(patients), [{"id": n, "first_name": "John", "last_name": "Doe"} for n in (JOHN, MARY)])
    connection.execute(insert(doctors), [{"id": n, "name": f"Dr. {n}"} for n in (SMITH, AMRANI)])
    services = [(CARDIOLOGY, True), (XRAY, False)]
    rows = [{"id": n, "name": "Visit", "exclusive": exclusive, "expected_minutes": 20} for n, exclusive in services]
    connection.execute(insert(prestations), rows)
    for number, (patient, doctor, prestation) in APPOINTMENTS.items():
        row = {
            "patient_id": patient,
            "doctor_id": doctor,
            "prestation_id": prestation,
            "scheduled_at": NINE_OCLOCK,
            "status": 1,
        }
        connection.execute(insert(appointments).values(id=number, **row))


async def decide_and_record(database: Database, patient: int, command: Command, at: datetime) -> None:
    ledger = SqlLedger(database)
    facts = await ledger.load(patient)
    state = VisitState(patient_id=patient, day=DAY, day_ends_at=NINE_OCLOCK + timedelta(hours=15), facts=facts)
    appointment = command.appointment if isinstance(command, StartConsultation) else None
    decision = decide(command, state, at)
    entry = LedgerEntry(
        patient_id=patient, day=DAY, decision=decision, seen=facts, request=command.request, appointment=appointment
    )
    recorded = await ledger.record(entry)
    assert not recorded.overtaken


def a_request(*parts: object) -> Request:
    return Request(id=hashlib.sha256(repr(parts).encode()).hexdigest(), caller_id=1, fingerprint="f")


async def start(database: Database, appointment: int, at: datetime) -> None:
    stored = await database.read(read_appointment, appointment)
    assert stored is not None
    request = a_request("start", appointment, at)
    await decide_and_record(database, stored.patient_id, StartConsultation(request=request, appointment=stored), at)


async def complete(database: Database, appointment: int, at: datetime) -> None:
    patient, doctor, _ = APPOINTMENTS[appointment]
    running = (await SqlLedger(database).load(patient)).in_progress
    consultation = next(c.id for c in running if c.appointment_id == appointment)
    request = a_request("complete", consultation)
    command = CompleteConsultation(patient_id=patient, request=request, consultation_id=consultation, doctor_id=doctor)
    await decide_and_record(database, patient, command, at)


async def record_morning(database: Database) -> None:
    """John has cardiology from 9:00 to 9:10, and one refused start. Then Dr. Amrani and an X-ray, both in progress.

    Mary has one completed consultation.
    """
    await database.write(add_master_data)
    minute = timedelta(minutes=1)
    await start(database, 10, NINE_OCLOCK)
    await start(database, 11, NINE_OCLOCK + minute)
    await start(database, 20, NINE_OCLOCK + minute)
    await complete(database, 10, NINE_OCLOCK + 10 * minute)
    await start(database, 11, NINE_OCLOCK + 11 * minute)
    await start(database, 12, NINE_OCLOCK + 12 * minute)
    await complete(database, 20, NINE_OCLOCK + 13 * minute)


def execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


async def audit_after(database: Database, *statements: str) -> AuditReport:
    await record_morning(database)
    await database.write(execute, *statements)
    return await database.read(audit)


async def test_accepts_day_that_only_ledger_wrote(database: Database) -> None:
    await record_morning(database)

    report = await database.read(audit)

    assert report.violations == []
    assert report.passed
    # Four starts, one refusal and two completions.
    assert report.checked == {
        "patients": 2,
        "appointments": 4,
        "trackings": 4,
        "events": 7,
        "consultations": 4,
        "in progress": 2,
        "oldest kept position": 1,
        "head of the log": 7,
    }


async def test_accepts_empty_database(database: Database) -> None:
    report = await database.read(audit)

    assert report.passed


# John's only completed consultation.
COMPLETED_10 = f"name = 'consultation.completed' AND patient_id = {JOHN}"
CONSULTATION_10 = "(SELECT consultation_id FROM patient_trackings WHERE appointment_id = 10)"
COPY_TRACKING = (
    "INSERT INTO patient_trackings (patient_id, appointment_id, prestation_id, doctor_id, exclusive, visit_day, status, outcome,"
    " check_in_time, check_out_time, created_by, reminders, consultation_id, started_at, person_id, checked_in)"
    " SELECT patient_id, {appointment}, prestation_id, doctor_id, exclusive, visit_day, status, outcome, check_in_time,"
    " check_out_time, created_by, 0, 'copy', started_at, person_id, checked_in FROM patient_trackings"
    " WHERE appointment_id = {source}"
)

DAMAGE = {
    # Moves the end of the first consultation behind the start of the second.
    "overlapping_consultations": (
        f"UPDATE events SET seq = 1000 WHERE {COMPLETED_10}",
        "UPDATE events SET seq = seq - 1 WHERE seq = 5",
        f"UPDATE events SET seq = 5 WHERE {COMPLETED_10}",
    ),
    "two_in_progress_for_appointment": (
        "DROP INDEX one_consultation_per_appointment",
        "DROP INDEX one_exclusive_consultation_per_person",
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
            " check_in_time, created_by, reminders, person_id, checked_in)"
            " VALUES (1, 10, 1, 1, TRUE, '2026-03-02', 'pending', '2026-03-02T09:00:00.000Z', 1, 0, 1, TRUE)"
            for _ in range(2)
        ),
    ),
    "gap_in_log": ("DELETE FROM events WHERE name = 'consultation.blocked'",),
    "state_without_event": (f"DELETE FROM events WHERE {COMPLETED_10}",),
    "event_without_state": ("DELETE FROM patient_trackings WHERE appointment_id = 10",),
    "started_twice": (f"UPDATE events SET name = 'consultation.started' WHERE {COMPLETED_10}",),
    "ended_while_not_in_progress": ("UPDATE events SET name = 'consultation.completed' WHERE seq = 1",),
    "unreadable_event": ("UPDATE events SET data = '{' WHERE seq = 1",),
    "other_patient": ("UPDATE appointments SET patient_id = 2 WHERE id = 11",),
    "inconsistent_status": ("UPDATE appointments SET status = 1 WHERE id = 11",),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_finds_damage_by_kind(database: Database, kind: str) -> None:
    report = await audit_after(database, *DAMAGE[kind])

    assert kind in report.kinds
    assert not report.passed
    assert all("John" not in violation.about and "Doe" not in violation.about for violation in report.violations)


async def test_finds_overlap_of_trackings_alone(database: Database) -> None:
    report = await audit_after(
        database,
        "DROP INDEX one_exclusive_consultation_per_person",
        "UPDATE patient_trackings SET exclusive = TRUE WHERE appointment_id = 12",
    )

    assert report.kinds == {"overlapping_consultations": 1}
    assert report.violations[0].about == f"patient {JOHN}: 2 trackings"


async def test_finds_overlap_by_position_despite_times(database: Database) -> None:
    report = await audit_after(database, *DAMAGE["overlapping_consultations"])

    assert report.kinds == {"overlapping_consultations": 1}
    assert f"patient {JOHN} was still in" in report.violations[0].about


async def test_finds_second_event_of_completion(database: Database) -> None:
    report = await audit_after(
        database,
        "INSERT INTO events SELECT 8, 'again', at, channel, name, data, patient_id, consultation_id FROM events"
        f" WHERE {COMPLETED_10}",
        "UPDATE log_head SET seq = 8",
    )

    assert report.kinds == {"completed_twice": 1, "ended_while_not_in_progress": 1}


async def test_finds_completion_with_other_outcome(database: Database) -> None:
    other_outcome = """replace(data, '"outcome":"done"', '"outcome":"released"')"""
    report = await audit_after(database, f"UPDATE events SET data = {other_outcome} WHERE {COMPLETED_10}")

    assert report.kinds == {"event_without_state": 1}


async def test_finds_completion_of_running_consultation(database: Database) -> None:
    report = await audit_after(
        database,
        "DROP INDEX an_appointment_is_completed_once",
        "UPDATE patient_trackings SET status = 'in_progress', outcome = NULL, check_out_time = NULL WHERE appointment_id = 20",
    )

    assert report.kinds == {"event_without_state": 1, "inconsistent_status": 2}


async def test_finds_missing_end_of_log(database: Database) -> None:
    report = await audit_after(database, "UPDATE log_head SET seq = 9")

    assert report.kinds == {"gap_in_log": 1}


async def test_pruned_log_still_reveals_overlap(database: Database) -> None:
    await record_morning(database)
    # Like pruning, from the oldest event on. The starts of 10 and 20 are deleted, and their ends stay.
    await database.write(execute, "DELETE FROM events WHERE seq <= 3")

    pruned = await database.read(audit)
    await database.write(execute, f"UPDATE events SET seq = 1000 WHERE {COMPLETED_10}")
    await database.write(
        execute, "UPDATE events SET seq = 4 WHERE seq = 5", f"UPDATE events SET seq = 5 WHERE {COMPLETED_10}"
    )
    overlapping = await database.read(audit)

    assert pruned.violations == []
    assert overlapping.kinds == {"overlapping_consultations": 1}


async def test_accepts_log_pruned_to_nothing(database: Database) -> None:
    report = await audit_after(database, "DELETE FROM events")

    assert report.violations == []


async def test_counts_violations_beyond_described_ones(database: Database) -> None:
    report = AuditReport()

    for number in range(MAX_DESCRIBED + 5):
        report.add_violation("gap_in_log", str(number))

    assert len(report.violations) == MAX_DESCRIBED
    assert report.kinds["gap_in_log"] == MAX_DESCRIBED + 5


async def test_names_wrong_patient_or_missing_tracking(
    database: Database,
) -> None:
    other_patient = await audit_after(database, "UPDATE events SET patient_id = 2 WHERE seq = 1")
    await database.write(execute, "DELETE FROM patient_trackings WHERE appointment_id = 10")
    no_tracking = await database.read(audit)

    assert any(
        violation.about.endswith(f"the event has patient {MARY}, the tracking has {JOHN}")
        for violation in other_patient.violations
    )
    assert any(violation.about.endswith("but the tracking is missing") for violation in no_tracking.violations)
