"""A doctor with two patients at the same time: warned or refused, also when both starts come at the same moment."""

import asyncio

import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.storage.busy_doctor import MAX_OTHER_CONSULTATIONS
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.stored_state import lock_and_read
from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.consultation_commands import StartConsultation
from tests.support import sweep_rows
from tests.support.builders import (
    DR_AMRANI,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    X_RAY,
    Patient,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_completion, a_start
from tests.support.ledger import LedgerDriver, column
from tests.support.lock_waits import LOCK_HEAD, is_blocked, other_session, wait_at_head
from tests.support.statements import recorded_statements
from tests.support.touched_rows import touched_rows

OFF, WARN, REFUSE = DoctorBusy.off, DoctorBusy.warn, DoctorBusy.refuse
OF_JOHN = an_appointment(DR_AMRANI, patient=JOHN_DOE)
OF_MARIA = an_appointment(DR_AMRANI, patient=MARIA_SILVA)
X_RAY_OF_MARIA = an_appointment(DR_AMRANI, patient=MARIA_SILVA, prestation=X_RAY)
SMITH_WITH_MARIA = an_appointment(DR_SMITH, patient=MARIA_SILVA)
#: Trackings of other days, which a start must not read.
COMPLETED = 5_000


def start_of(appointment_of: Patient, rule: DoctorBusy, key: str = "start") -> StartConsultation:
    """Dr. Amrani starts with this patient, in a hospital with this rule."""
    appointment = OF_JOHN if appointment_of is JOHN_DOE else OF_MARIA
    return a_start(appointment, key).model_copy(update={"doctor_busy": rule})


@pytest.fixture
async def visits(database: Database) -> tuple[LedgerDriver, LedgerDriver]:
    """The visits of John and of Maria."""
    await database.write(seed, OF_JOHN, OF_MARIA, X_RAY_OF_MARIA, SMITH_WITH_MARIA)
    return LedgerDriver(database), LedgerDriver(database, patient_id=MARIA_SILVA.id)


Visits = tuple[LedgerDriver, LedgerDriver]


async def test_second_patient_gets_a_warning(visits: Visits) -> None:
    john, maria = visits
    first = await john.send(start_of(JOHN_DOE, WARN, "john"))

    second = await maria.send(start_of(MARIA_SILVA, WARN, "maria"), NOON + minutes(1))

    assert (first.status, second.status) == (201, 201)
    assert "warnings" not in first.body
    assert second.body["warnings"] == [
        {
            "code": "doctor_in_consultation",
            "consultation_id": first.body["id"],
            "patient_name": JOHN_DOE.name,
            "family_name": "Doe",
            "birth_date": JOHN_DOE.birth_date,
            "record_number": JOHN_DOE.record_number,
            "since": first.body["started_at"],
        }
    ]


async def test_second_patient_is_refused(visits: Visits, database: Database) -> None:
    john, maria = visits
    first = await john.send(start_of(JOHN_DOE, REFUSE, "john"))

    second = await maria.send(start_of(MARIA_SILVA, REFUSE, "maria"), NOON + minutes(1))

    assert (second.status, second.body["code"]) == (409, "doctor_in_consultation")
    assert (second.body["consultation_id"], second.body["patient_name"]) == (first.body["id"], JOHN_DOE.name)
    shown = [second.body[field] for field in ("family_name", "birth_date", "record_number")]
    assert shown == ["Doe", JOHN_DOE.birth_date, JOHN_DOE.record_number]
    assert (second.body["since"], second.body["actions"]) == (first.body["started_at"], ["complete"])
    assert len(await database.read(column, "patient_trackings", "id")) == 1


@pytest.mark.parametrize("rule", [WARN, REFUSE])
async def test_completed_consultation_counts_no_more(visits: Visits, rule: DoctorBusy) -> None:
    john, maria = visits
    await john.send(start_of(JOHN_DOE, rule, "john"))
    await john.send(a_completion(john.running), NOON + minutes(1))

    second = await maria.send(start_of(MARIA_SILVA, rule, "maria"), NOON + minutes(2))

    assert second.status == 201
    assert "warnings" not in second.body


async def test_answer_lists_the_oldest_consultations(visits: Visits, database: Database) -> None:
    john, _maria = visits
    others = range(1, MAX_OTHER_CONSULTATIONS + 3)
    await database.write(sweep_rows.insert_patients, others)
    await database.write(sweep_rows.insert_consultations, others)

    started = await john.send(start_of(JOHN_DOE, WARN, "john"))

    names = [warning["patient_name"] for warning in started.body["warnings"]]
    assert names == [sweep_rows.a_patient(number).name for number in others[:MAX_OTHER_CONSULTATIONS]]


async def test_reads_only_running_consultations(visits: Visits, database: Database) -> None:
    await database.write(sweep_rows.insert_patients, (1, 2))
    await database.write(sweep_rows.insert_consultations, (1,))
    await database.write(sweep_rows.insert_completed_trackings, 2, COMPLETED)
    # PostgreSQL chooses an index by its statistics.
    await database.write(lambda connection: connection.exec_driver_sql("ANALYZE"))
    entry = visits[0].entry(start_of(JOHN_DOE, WARN))

    def count_work(connection: Connection) -> int:
        with touched_rows(connection, "patient_trackings") as count_touched:
            lock_and_read(connection, entry)
            return count_touched()

    # Each completed row would be a step or more. Without them the statement takes some 500 steps on SQLite.
    assert await database.write(count_work) < COMPLETED / 5


async def test_rule_can_be_off(visits: Visits) -> None:
    john, maria = visits
    await john.send(start_of(JOHN_DOE, OFF, "john"))

    with recorded_statements() as statements:
        second = await maria.send(start_of(MARIA_SILVA, OFF, "maria"), NOON + minutes(1))

    assert second.status == 201
    assert "warnings" not in second.body
    assert not [each for each in statements if "FROM doctors" in each]


async def test_x_ray_and_other_doctors_do_not_count(visits: Visits) -> None:
    john, maria = visits
    await john.send(start_of(JOHN_DOE, REFUSE, "john"))

    x_ray = a_start(X_RAY_OF_MARIA, "x-ray").model_copy(update={"doctor_busy": REFUSE})
    of_smith = a_start(SMITH_WITH_MARIA, "smith").model_copy(update={"doctor_busy": REFUSE})

    assert (await maria.send(x_ray)).status == 201
    assert (await maria.send(of_smith)).status == 201


async def test_running_x_ray_does_not_count(visits: Visits) -> None:
    john, maria = visits
    await maria.send(a_start(X_RAY_OF_MARIA, "x-ray"))

    started = await john.send(start_of(JOHN_DOE, REFUSE, "john"))

    assert started.status == 201


async def test_refusal_is_repeated_under_its_key(visits: Visits) -> None:
    john, maria = visits
    await john.send(start_of(JOHN_DOE, REFUSE, "john"))
    refused = await maria.send(start_of(MARIA_SILVA, REFUSE, "maria"))
    await john.send(a_completion(john.running), NOON + minutes(1))

    repeated = await maria.send(start_of(MARIA_SILVA, REFUSE, "maria"), NOON + minutes(2))
    new = await maria.send(start_of(MARIA_SILVA, REFUSE, "maria again"), NOON + minutes(2))

    assert repeated == refused
    assert new.status == 201


async def test_one_of_two_starts_is_refused(visits: Visits) -> None:
    john, maria = visits

    answers = await asyncio.gather(
        john.send(start_of(JOHN_DOE, REFUSE, "john")), maria.send(start_of(MARIA_SILVA, REFUSE, "maria"))
    )

    assert sorted(answer.status for answer in answers) == [201, 409]


@pytest.mark.parametrize(("rule", "second_status"), [(WARN, 201), (REFUSE, 409)])
async def test_second_start_waits_for_commit_of_first(
    on_postgres: Database, rule: DoctorBusy, second_status: int
) -> None:
    await on_postgres.write(seed, OF_JOHN, OF_MARIA)
    john, maria = LedgerDriver(on_postgres), LedgerDriver(on_postgres, patient_id=MARIA_SILVA.id)
    async with other_session(on_postgres) as session:
        await session.execute(text(LOCK_HEAD))
        first = asyncio.create_task(john.send(start_of(JOHN_DOE, rule, "john")))
        await wait_at_head(session, 1)
        second = asyncio.create_task(maria.send(start_of(MARIA_SILVA, rule, "maria")))
        assert await is_blocked(session, second, 2)

    assert (await first).status == 201
    assert (await second).status == second_status
    assert "doctor_in_consultation" in str((await second).body)
