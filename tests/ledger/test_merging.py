"""Merges and separations in the real ledger: what stands then, which are refused, and what races with them."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_facts
from patient_visit_engine.storage.tables import events, patient_merges, patient_trackings, reservations, timeline
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.facts import Facts
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    X_RAY,
    Doctor,
    minutes,
)
from tests.support.commands import (
    a_check_in,
    a_completion,
    a_pause,
    a_resumption,
    a_start,
    a_wait,
)
from tests.support.ledger import column
from tests.support.merge_table import PAIRS
from tests.support.merging import RecordDriver, a_patient, insert_records, marks, persons

RON, SUE, TOM = a_patient(501), a_patient(502), a_patient(503)
ROUNDS = 6


@pytest.fixture
async def ron(database: Database) -> RecordDriver:
    """The record that most tests retire."""
    await database.write(insert_records, (RON, SUE, TOM))
    return RecordDriver(database, RON)


@pytest.fixture
def sue(ron: RecordDriver) -> RecordDriver:
    """The record that survives."""
    return RecordDriver(ron.database, SUE)


async def bring_into(state: str, driver: RecordDriver, waiting: Doctor, since: datetime) -> None:
    """Bring the record into this state of the table."""
    key = f"{driver.patient.id}"
    if state == "checked in":
        await driver.send(a_check_in(driver.appointment_with(DR_SMITH), f"check-in {key}"))
    elif state == "exclusive":
        await driver.send(a_start(driver.appointment_with(DR_SMITH), f"start {key}"))
    elif state == "other":
        await driver.send(a_start(driver.appointment_with(DR_SMITH, X_RAY), f"start {key}"))
    elif state in ("in line", "offered"):
        await driver.send(a_start(driver.appointment_with(DR_SMITH), f"start {key}"), since)
        await driver.send(a_wait(driver.appointment_with(waiting), f"wait {key}"), since)
        await driver.send(a_completion(driver.running, f"complete {key}"), since)
    if state == "in line":
        # As after a restore from a backup.
        is_reserved = reservations.c.person_id == driver.patient.id
        await driver.database.write(lambda connection: connection.execute(delete(reservations).where(is_reserved)))
    await driver.load_facts()


async def test_each_pair_of_states(database: Database) -> None:
    people = [(a_patient(1_000 + n), a_patient(2_000 + n)) for n in range(len(PAIRS))]
    await database.write(insert_records, [patient for pair in people for patient in pair])

    for pair, (first, second) in zip(PAIRS, people, strict=True):
        survivor, other = RecordDriver(database, first), RecordDriver(database, second)
        await bring_into(pair.first, survivor, DR_AMRANI, NOON - minutes(5))
        await bring_into(pair.second, other, DR_OKAFOR, NOON - minutes(9))

        answer = await survivor.merge(second)

        names = f"{pair.first} and {pair.second}"
        both = pair[:2] == ("exclusive", "exclusive")
        expected = {"patient_id": first.id, "retired": [second.id], "both_in_consultation": both}
        assert (answer.status, answer.body) == (200, expected), names
        facts = await database.read(read_facts, first.id)
        assert facts == survivor.state.facts, names
        assert (len(facts.in_progress), len(facts.pending)) == (pair.consultations, pair.check_ins), names
        assert {consultation.patient_id for consultation in facts.in_progress} <= {first.id}, names
        assert [place.doctor_id for place in facts.waiting] == [doctor.id for doctor in pair.line], names
        reserved = pair.reserved or pair.offered
        assert (facts.reservation and facts.reservation.doctor_id) == (reserved and reserved.id), names
        assert await database.read(read_facts, second.id) == Facts(moved_to=first.id), names
    assert (await database.read(audit)).violations == []


async def test_both_busy_until_both_have_ended(ron: RecordDriver, sue: RecordDriver) -> None:
    await ron.send(a_start(ron.appointment_with(DR_AMRANI), "Amrani starts"))
    await sue.send(a_start(sue.appointment_with(DR_OKAFOR), "Okafor starts"))
    await sue.merge(RON)
    with_okafor, with_amrani = sorted(sue.state.facts.in_progress, key=lambda each: -each.doctor_id)
    third = ron.appointment_with(DR_SMITH)

    assert (await ron.follow(a_start(third, "third", wait=True))).status == 409
    assert await sue.database.read(marks) == [(SUE.id, "in_progress", True), (SUE.id, "in_progress", True)]
    await sue.send(a_completion(with_amrani, "Amrani ends"))
    assert await sue.database.read(marks) == [(SUE.id, "completed", True), (SUE.id, "in_progress", False)]
    assert await sue.database.read(column, "reservations", "doctor_id") == []
    assert (await ron.follow(a_start(third, "third again"))).status == 409
    # The index protects the person again.
    again = update(patient_trackings).where(patient_trackings.c.consultation_id == with_amrani.id)
    with pytest.raises(IntegrityError):
        await sue.database.write(
            lambda connection: connection.execute(
                again.values(status="in_progress", outcome=None, check_out_time=None, merged=False)
            )
        )
    await assert_audit_finds_nothing(sue.database)
    await sue.send(a_completion(with_okafor, "Okafor ends"))
    assert await sue.database.read(column, "reservations", "doctor_id") == [DR_SMITH.id]
    assert (await ron.follow(a_start(third, "third at last"))).status == 201


async def test_pause_of_one_of_two_takes_the_mark_of_the_other(ron: RecordDriver, sue: RecordDriver) -> None:
    await ron.send(a_start(ron.appointment_with(DR_AMRANI), "Amrani starts"))
    await sue.send(a_start(sue.appointment_with(DR_OKAFOR), "Okafor starts"))
    await sue.merge(RON)
    with_okafor, with_amrani = sorted(sue.state.facts.in_progress, key=lambda each: -each.doctor_id)

    await sue.send(a_pause(with_amrani))

    assert await sue.database.read(marks) == [(SUE.id, "paused", False), (SUE.id, "in_progress", False)]
    resumption = a_resumption(await sue.appointment(with_amrani.appointment_id), with_amrani, "too early")
    assert (await sue.send(resumption)).body["code"] == "patient_in_consultation"
    await sue.send(a_completion(with_okafor, "Okafor ends"))
    assert await sue.database.read(column, "reservations", "doctor_id") == [DR_AMRANI.id]
    again = a_resumption(await sue.appointment(with_amrani.appointment_id), with_amrani, "again")
    assert (await sue.send(again)).status == 200
    await assert_audit_finds_nothing(sue.database)


async def test_same_merge_again_has_first_answer(ron: RecordDriver, sue: RecordDriver) -> None:
    first = await sue.merge(RON, "first")
    rows = await sue.database.read(column, "patient_merges", "id")

    assert await sue.merge(RON, "first") == first
    assert await sue.merge(RON, "another key") == first
    await RecordDriver(ron.database, TOM).merge(SUE)
    after_another_merge = await sue.merge(RON, "after another merge")
    assert after_another_merge.body == first.body | {"patient_id": TOM.id}
    assert await sue.merge(RON, "first") == first
    assert len(await sue.database.read(column, "patient_merges", "id")) == len(rows) + 1
    names = await sue.database.read(column, "events", "name")
    assert names.count("patient.merged") == 2


async def test_retired_records_point_at_last_survivor(ron: RecordDriver, sue: RecordDriver) -> None:
    await sue.merge(RON)
    answer = await RecordDriver(ron.database, TOM).merge(SUE)

    assert answer.body["retired"] == [RON.id, SUE.id]
    assert await ron.database.read(persons, RON, SUE, TOM) == [TOM.id] * 3
    started = await ron.follow(a_start(ron.appointment_with(DR_AMRANI)))
    assert (started.status, started.body["patient_id"]) == (201, TOM.id)
    stored = await ron.database.read(lambda c: c.execute(select(patient_trackings)).one())
    assert (stored.patient_id, stored.person_id) == (RON.id, TOM.id)


async def test_refuses_cycle_and_third_patient(ron: RecordDriver, sue: RecordDriver) -> None:
    await sue.merge(RON)
    before = await ron.database.read(column, "patient_merges", "id")

    cycle = await ron.merge(SUE, "cycle")
    third = await RecordDriver(ron.database, TOM).merge(RON, "third")

    assert (cycle.status, cycle.body["code"]) == (409, "merge_cycle")
    assert (third.status, third.body["code"], third.body["survivor_id"]) == (409, "already_merged", SUE.id)
    assert await ron.database.read(column, "patient_merges", "id") == before


async def test_nothing_is_recorded_under_retired_record(ron: RecordDriver, sue: RecordDriver) -> None:
    await ron.send(a_start(ron.appointment_with(DR_AMRANI)))
    stale = ron.state.facts
    await sue.merge(RON)
    rows = await ron.database.read(column, "patient_trackings", "status")

    # The visit of the retired record has facts of before, and its timers are due.
    due = RecordDriver(ron.database, RON)
    due.set_facts(stale)
    decision = due.entry(a_start(ron.appointment_with(DR_SMITH), "late"))
    replies = [await due.record(decision), await due.record(decision)]

    assert [(reply.overtaken, reply.facts) for reply in replies] == [(True, Facts(moved_to=SUE.id))] * 2
    assert await ron.record_due(NOON + timedelta(hours=9)) == []
    assert await ron.database.read(column, "patient_trackings", "status") == rows


async def assert_audit_finds_nothing(database: Database) -> None:
    """The tables and the log keep the rule."""
    report = await database.read(audit)
    assert report.kinds == Counter(), report


async def assert_one_start_or_both_marked(driver: RecordDriver, survivor_id: int) -> None:
    """The person is in one exclusive consultation, or in two that are both marked."""
    rows = [row for row in await driver.database.read(marks) if row[0] == survivor_id]
    assert rows in (
        [(survivor_id, "in_progress", False)],
        [(survivor_id, "in_progress", True)] * 2,
    )


@pytest.mark.parametrize("merge_first", [True, False], ids=["merge first", "start first"])
async def test_merge_races_with_starts(database: Database, merge_first: bool) -> None:
    people = [(a_patient(1_000 + n), a_patient(2_000 + n)) for n in range(ROUNDS)]
    await database.write(insert_records, [patient for pair in people for patient in pair])

    for patient, retired in people:
        survivor, other = RecordDriver(database, patient), RecordDriver(database, retired)
        await survivor.load_facts()
        calls = [
            survivor.merge(retired),
            other.follow(a_start(other.appointment_with(DR_AMRANI), f"start {retired.id}")),
            RecordDriver(database, patient).follow(
                a_start(survivor.appointment_with(DR_OKAFOR), f"start {patient.id}")
            ),
        ]
        answers = await asyncio.gather(*(calls if merge_first else reversed(calls)))

        await assert_one_start_or_both_marked(survivor, patient.id)
        assert {answer.status for answer in answers} <= {200, 201, 409}
        assert await database.read(persons, patient, retired) == [patient.id] * 2
    await assert_audit_finds_nothing(database)


async def test_merges_race_with_merges(database: Database) -> None:
    people = [tuple(a_patient(n * 1_000 + round_) for n in (1, 2, 3)) for round_ in range(ROUNDS)]
    await database.write(insert_records, [patient for three in people for patient in three])

    for r, s, t in people:
        crossed = [
            RecordDriver(database, s).merge(r, f"{s.id} keeps"),
            RecordDriver(database, r).merge(s, f"{r.id} keeps"),
        ]
        answers = await asyncio.gather(*crossed)

        assert sorted((answer.status, answer.body.get("code")) for answer in answers) == [
            (200, None),
            (409, "merge_cycle"),
        ]
        both = await database.read(persons, r, s)
        assert both in ([r.id] * 2, [s.id] * 2)
        retired, survivor = (r, s) if both[0] == s.id else (s, r)
        # The retired record goes to a third patient, while its survivor does too.
        await asyncio.gather(
            RecordDriver(database, t).merge(retired, f"{t.id} takes retired"),
            RecordDriver(database, t).merge(survivor, f"{t.id} takes survivor"),
        )
        assert await database.read(persons, r, s, t) == [t.id] * 3
    await assert_audit_finds_nothing(database)


async def test_two_patients_cannot_both_take_a_record(database: Database) -> None:
    people = [tuple(a_patient(n * 1_000 + round_) for n in (1, 2, 3)) for round_ in range(ROUNDS)]
    await database.write(insert_records, [patient for three in people for patient in three])

    for r, s, t in people:
        answers = await asyncio.gather(RecordDriver(database, s).merge(r), RecordDriver(database, t).merge(r))

        assert sorted((answer.status, answer.body.get("code")) for answer in answers) == [
            (200, None),
            (409, "already_merged"),
        ]
        assert (await database.read(persons, r))[0] in (s.id, t.id)


async def test_separation_restores_the_record(ron: RecordDriver, sue: RecordDriver) -> None:
    await ron.send(a_check_in(ron.appointment_with(DR_LINDQVIST), "arrived before"))
    await sue.merge(RON)
    started = await ron.follow(a_start(ron.appointment_with(DR_LINDQVIST), "while merged"))
    in_use = await sue.separate(RON, "in use")
    await sue.load_facts()
    await sue.send(a_completion(sue.running))

    separated = await sue.separate(RON, "now")

    assert (in_use.status, in_use.body["code"]) == (409, "merge_in_use")
    assert (started.status, separated.status, separated.body) == (201, 200, {"patient_id": SUE.id, "retired": [RON.id]})
    assert await ron.database.read(persons, RON, SUE) == [RON.id, SUE.id]
    assert await ron.database.read(column, "patient_trackings", "person_id") == [RON.id]
    again = [
        await RecordDriver(ron.database, patient).follow(
            a_start(RecordDriver(ron.database, patient).appointment_with(DR_AMRANI), f"start {patient.id}")
        )
        for patient in (RON, SUE)
    ]
    assert [(answer.status, answer.body["patient_id"]) for answer in again] == [(201, RON.id), (201, SUE.id)]
    await assert_audit_finds_nothing(ron.database)
    unknown = await sue.separate(RON, "once more")
    assert (unknown.status, unknown.body["code"]) == (404, "unknown_merge")
    stored = await ron.database.read(lambda c: c.execute(select(timeline.c.patient_id, timeline.c.event)).all())
    assert {(SUE.id, "merged"), (SUE.id, "separated"), (RON.id, "separated")} <= {tuple(row) for row in stored}


async def test_separation_leaves_later_merges(ron: RecordDriver, sue: RecordDriver) -> None:
    tom = RecordDriver(ron.database, TOM)
    await sue.merge(RON)
    await tom.merge(SUE)
    await tom.separate(RON)
    await tom.merge(RON, "directly")

    answer = await tom.separate(SUE)

    assert answer.body["retired"] == [SUE.id]
    assert await ron.database.read(persons, RON, SUE, TOM) == [TOM.id, SUE.id, TOM.id]


async def test_separation_takes_records_merged_before(ron: RecordDriver, sue: RecordDriver) -> None:
    tom = RecordDriver(ron.database, TOM)
    await sue.merge(RON)
    await tom.merge(SUE)

    answer = await tom.separate(SUE)

    assert answer.body["retired"] == [RON.id, SUE.id]
    assert await ron.database.read(persons, RON, SUE, TOM) == [SUE.id, SUE.id, TOM.id]


async def test_merge_of_earlier_day_stays(ron: RecordDriver, sue: RecordDriver) -> None:
    await RecordDriver(ron.database, SUE, day=DAY - timedelta(days=1)).merge(RON)

    answer = await sue.separate(RON)

    assert (answer.status, answer.body["code"]) == (409, "merge_not_today")
    assert await ron.database.read(persons, RON) == [SUE.id]


async def test_merge_is_stored_with_its_event(ron: RecordDriver, sue: RecordDriver) -> None:
    await sue.merge(RON)

    row = await ron.database.read(lambda connection: connection.execute(select(patient_merges)).one())
    event = await ron.database.read(lambda c: c.execute(select(events).where(events.c.name == "patient.merged")).one())
    assert (row.survivor_id, row.retired_id, row.visit_day, row.separated_at) == (SUE.id, RON.id, DAY, None)
    assert (event.channel, event.patient_id) == ("consultations", SUE.id)
