"""The audit accepts merged records, and finds each kind of damage to them."""

import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.cli.audit import report_lines
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.builders import (
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    X_RAY,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_check_in, a_completion, a_start, a_wait
from tests.support.databases import database_on
from tests.support.ledger import LedgerDriver
from tests.support.merging import RecordDriver

SURVIVOR, RETIRED = JOHN_DOE.id, MARIA_SILVA.id
OF_SURVIVOR = an_appointment(number=1)
OF_RETIRED = an_appointment(DR_OKAFOR, number=2, patient=MARIA_SILVA)
IN_LINE = an_appointment(DR_SMITH, number=3, patient=MARIA_SILVA)
CHECKED_IN = an_appointment(DR_LINDQVIST, number=4, patient=MARIA_SILVA, prestation=X_RAY)

database = database_on("sqlite", "postgres")


def execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


async def start_both(database: Database) -> None:
    """Both records are in an exclusive consultation. A doctor waits for the retired one, who is checked in too."""
    await database.write(seed, OF_SURVIVOR, OF_RETIRED, IN_LINE, CHECKED_IN)
    await LedgerDriver(database).send(a_start(OF_SURVIVOR, "survivor"))
    retired = LedgerDriver(database, patient_id=RETIRED)
    await retired.send(a_start(OF_RETIRED, "retired"))
    await retired.send(a_wait(IN_LINE))
    await retired.send(a_check_in(CHECKED_IN))


async def merge_both(database: Database) -> None:
    await start_both(database)
    assert (await RecordDriver(database, JOHN_DOE).merge(MARIA_SILVA)).status == 200


async def test_merge_of_two_in_consultation_is_no_violation(database: Database) -> None:
    await merge_both(database)

    report = await database.read(audit)

    assert report.violations == []
    assert report_lines(report)[1:] == [
        f"merge: records {RETIRED} and {SURVIVOR} were both in an exclusive consultation at their merge",
        "audit: the rule holds",
    ]


@pytest.mark.parametrize("pruned_to", [2, 5, 7], ids=["starts", "merge", "ends"])
async def test_accepts_what_follows_a_merge(database: Database, pruned_to: int) -> None:
    await merge_both(database)
    ledger = LedgerDriver(database)
    await ledger.load_facts()
    first, second = ledger.state.facts.in_progress
    await ledger.send(a_completion(first, "first"), NOON + minutes(1))
    await ledger.send(a_completion(second, "second"), NOON + minutes(2))
    await ledger.send(a_start(await ledger.appointment(IN_LINE.id), "third"), NOON + minutes(3))

    whole = await database.read(audit)
    await database.write(execute, f"DELETE FROM events WHERE seq <= {pruned_to}")
    pruned = await database.read(audit)

    assert whole.violations == pruned.violations == []


async def test_accepts_separated_records(database: Database) -> None:
    await database.write(seed, OF_SURVIVOR, OF_RETIRED, IN_LINE)
    survivor, retired = RecordDriver(database, JOHN_DOE), RecordDriver(database, MARIA_SILVA)
    await survivor.merge(MARIA_SILVA)
    await survivor.send(a_start(await survivor.appointment(OF_RETIRED.id), "merged"), NOON)
    await survivor.send(a_completion(survivor.running), NOON + minutes(1))
    assert (await survivor.separate(MARIA_SILVA)).status in (200, 204)
    await survivor.send(a_start(OF_SURVIVOR, "survivor"), NOON + minutes(2))
    await retired.send(a_start(IN_LINE, "retired"), NOON + minutes(2))

    report = await database.read(audit)

    assert report.violations == []
    assert report.merges == []


RULE = "DROP INDEX one_exclusive_consultation_per_person"
OF_FIRST = "WHERE appointment_id = 1"
DAMAGE = {
    "one of two without a mark": (
        "overlapping_consultations",
        f"UPDATE patient_trackings SET merged = FALSE {OF_FIRST}",
    ),
    "two without a mark": ("overlapping_consultations", RULE, "UPDATE patient_trackings SET merged = FALSE"),
    "mark on a single one": (
        "mark_without_merge",
        f"UPDATE patient_trackings SET exclusive = FALSE {OF_FIRST}",
    ),
    "marks without a merge": ("mark_without_merge", "UPDATE patient_merges SET both_in_consultation = FALSE"),
    "tracking of another person": ("other_person", f"UPDATE patient_trackings SET person_id = {RETIRED} WHERE id = 3"),
    "place in line of another person": ("other_person", f"UPDATE waiting_line SET person_id = {RETIRED}"),
    "reservation of another person": (
        "other_person",
        "INSERT INTO reservations (person_id, patient_id, kind, doctor_id, appointment_id, visit_day, since, until)"
        f" SELECT {RETIRED}, patient_id, 'offered', doctor_id, appointment_id, visit_day, since, since FROM waiting_line",
    ),
    "appointment of another person": (
        "other_patient",
        "INSERT INTO patients (id, last_name, person_id) VALUES (9, 'Byron', 9)",
        "UPDATE appointments SET patient_id = 9 WHERE id = 2",
    ),
    "retired record without a merge": ("inconsistent_merge", "DELETE FROM patient_merges"),
    "merge without effect": ("inconsistent_merge", f"UPDATE patients SET person_id = id WHERE id = {RETIRED}"),
    "retired survivor": (
        "inconsistent_merge",
        "INSERT INTO patients (id, last_name, person_id) VALUES (9, 'Byron', 9)",
        f"UPDATE patients SET person_id = 9 WHERE id = {SURVIVOR}",
    ),
    "event that does not name the record": (
        "inconsistent_merge",
        f"""UPDATE events SET data = replace(data, '"retired":[{RETIRED}]', '"retired":[999]') WHERE name = 'patient.merged'""",
    ),
    "unreadable event": ("unreadable_event", "UPDATE events SET data = '{}' WHERE name = 'patient.merged'"),
    "start in the log before the end of both": (
        "overlapping_consultations",
        "UPDATE events SET seq = 1000 WHERE name = 'patient.merged'",
        "UPDATE events SET seq = seq + 1000 WHERE seq < 1000 AND seq > 1",
        "UPDATE events SET seq = 2 WHERE name = 'patient.merged'",
        "UPDATE events SET seq = seq - 999 WHERE seq > 1000",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_finds_damage_to_merged_records(database: Database, name: str) -> None:
    kind, *statements = DAMAGE[name]
    await merge_both(database)
    await database.write(execute, *statements)

    report = await database.read(audit)

    assert kind in report.kinds, report.violations
    assert not any(
        patient.last_name in violation.about for violation in report.violations for patient in (JOHN_DOE, MARIA_SILVA)
    )
