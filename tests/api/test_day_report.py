"""The report of a day: its figures agree with the rows, as JSON and as CSV, and it reads only that day."""

import csv
import random
from datetime import date, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, insert, text, update

from patient_visit_engine.api.report_csv import defused, prefers_csv
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens.day_report import ReportQuery, read_day_report
from patient_visit_engine.storage.tables import appointments, doctors, patient_trackings, timeline
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.wire.reports import DayReport, nearest_rank
from tests.support.api import JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import CALENDAR, DAY, DR_AMRANI, DR_OKAFOR, DR_SMITH, NOON, YESTERDAY, seed
from tests.support.touched_rows import touched_rows

DONE = AppointmentStatus.done.value
COUNTS = ("seen", "overdue", "refused_starts", "released", "timed_out", "no_shows", "left")


async def read_report(api: ApiDriver, query: str = "") -> dict[str, Any]:
    supervisor = await api.staff("supervisor", exp=api.clock.at + timedelta(hours=1))
    answer = await supervisor.get(f"/api/reports/day{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def counts_of(figures: dict[str, Any]) -> dict[str, int]:
    """The counts that are not zero."""
    return {name: figures[name] for name in COUNTS if figures[name]}


async def test_counts_what_happened_on_a_day(api: ApiDriver) -> None:
    amrani, okafor, smith = await api.doctor(), await api.doctor(DR_OKAFOR.id), await api.doctor(DR_SMITH.id)
    reception, supervisor = await api.staff("reception"), await api.staff("supervisor")
    await reception.post("/api/appointments/1/check-in")
    await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    api.clock.advance(minutes=10)
    cardiology = await amrani.post("/api/consultations", json=start_body())
    for _ in range(2):
        await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    x_ray = await smith.post("/api/consultations", json=start_body(JOHN_X_RAY))
    api.clock.advance(minutes=25)
    await amrani.post(f"{cardiology.headers['location']}/complete")
    await supervisor.post(f"{x_ray.headers['location']}/release", json={"reason": "forgotten"})
    await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-out")

    report = await read_report(api)

    assert report["date"] == "2026-03-02"
    assert [(each["doctor_id"], each["doctor"]) for each in report["doctors"]] == [
        (DR_AMRANI.id, "Dr. Amrani"),
        (DR_OKAFOR.id, "Dr. Okafor"),
        (DR_SMITH.id, "Dr. Smith"),
    ]
    assert [counts_of(each) for each in report["doctors"]] == [
        {"seen": 1, "overdue": 1, "left": 1},
        {"refused_starts": 2},
        {"released": 1},
    ]
    assert counts_of(report["total"]) == {"seen": 1, "overdue": 1, "refused_starts": 2, "released": 1, "left": 1}
    minutes = ("waiting_p50_minutes", "waiting_p90_minutes", "consultation_p50_minutes")
    assert [report["doctors"][0][name] for name in minutes] == [10.0, 10.0, 25.0]
    # The X-ray started without a check-in, so no one waited for it.
    assert [report["doctors"][2][name] for name in minutes] == [None, None, None]
    assert report["total"]["waits"][0] == {"from_minutes": 0, "count": 1}


async def test_mistakes_that_were_taken_back_do_not_count(api: ApiDriver) -> None:
    amrani, reception = await api.doctor(), await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    await reception.post("/api/appointments/1/check-out")
    await reception.delete("/api/appointments/1/check-out")
    api.clock.advance(minutes=20)
    wrong = await amrani.post("/api/consultations", json=start_body())
    await amrani.post(f"{wrong.headers['location']}/undo-start")
    api.clock.advance(minutes=20)
    before = await read_report(api)
    await amrani.post("/api/consultations", json=start_body())

    running = await read_report(api)

    assert counts_of(before["total"]) == {}
    assert before["total"]["waiting_p50_minutes"] is None
    # The wait began with the first arrival.
    assert running["total"]["waiting_p50_minutes"] == 40.0
    assert [step for step in running["total"]["waits"] if step["count"]] == [{"from_minutes": 30, "count": 1}]


async def test_wait_begins_with_the_first_arrival(api: ApiDriver) -> None:
    amrani, okafor = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    reception, supervisor = await api.staff("reception"), await api.staff("supervisor")
    await reception.post("/api/appointments/1/check-in")
    api.clock.advance(minutes=10)
    await reception.post("/api/appointments/1/reassign", json={"doctor_id": DR_OKAFOR.id})
    api.clock.advance(minutes=10)
    first = await okafor.post("/api/consultations", json=start_body(doctor_id=DR_OKAFOR.id))
    await supervisor.post(f"{first.headers['location']}/release", json={"reason": "forgotten"})
    api.clock.advance(minutes=15)
    second = await okafor.post("/api/consultations", json=start_body(doctor_id=DR_OKAFOR.id))
    await okafor.post(f"{second.headers['location']}/transfer", json={"doctor_id": DR_AMRANI.id})
    api.clock.advance(minutes=2)
    last = await amrani.post("/api/consultations", json=start_body())
    trackings = (await reception.get("/api/patients/123/trackings")).json()["items"]

    total = (await read_report(api))["total"]

    assert last.status_code == 201, last.text
    assert [row["outcome"] for row in trackings] == ["released", "transferred", None]
    assert len({row["check_in_time"] for row in trackings}) == 1
    # One wait until each of Dr. Okafor's starts. The patient did not wait again for Dr. Amrani.
    assert [step for step in total["waits"] if step["count"]] == [
        {"from_minutes": 15, "count": 1},
        {"from_minutes": 30, "count": 1},
    ]
    assert (total["waiting_p50_minutes"], total["waiting_p90_minutes"]) == (20.0, 35.0)


async def test_time_until_a_reopening_is_no_consultation(api: ApiDriver) -> None:
    amrani = await api.doctor()
    started = await amrani.post("/api/consultations", json=start_body())
    path = started.headers["location"]
    for call in ("pause", "resume", "complete", "reopen", "complete"):
        api.clock.advance(minutes=4)
        assert (await amrani.post(f"{path}/{call}")).status_code == 200

    report = await read_report(api)

    # 4 minutes until the pause, 4 between the pause and the completion, 4 after the reopening.
    assert report["total"]["consultation_p50_minutes"] == 12.0
    assert (await api.database.read(audit)).passed


async def test_carried_over_consultation_counts_on_the_day_of_its_end(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    started = await doctor.post("/api/consultations", json=start_body())
    api.clock.advance(hours=17)
    before_carry_over = [await read_report(api, f"?date={day}") for day in (DAY, DAY + timedelta(days=1))]
    doctor = await api.staff("doctor", DR_AMRANI.id, exp=api.clock.at + timedelta(hours=1))

    ended = await doctor.post(f"{started.headers['location']}/complete")

    assert ended.status_code == 200, ended.text
    after = [await read_report(api, f"?date={day}") for day in (DAY, DAY + timedelta(days=1))]
    assert [counts_of(report["total"]) for report in before_carry_over] == [{}, {"overdue": 1}]
    assert [counts_of(report["total"]) for report in after] == [{}, {"seen": 1, "overdue": 1}]


async def test_day_without_rows_has_zeros(api: ApiDriver) -> None:
    for day in ("1800-01-01", "2026-03-03", "2200-12-31"):
        report = await read_report(api, f"?date={day}")

        assert (report["date"], report["doctors"], counts_of(report["total"])) == (day, [], {})
        assert [step["from_minutes"] for step in report["total"]["waits"]] == [*range(0, 121, 15)]


async def test_no_show_counts_for_the_day_and_doctor_of_its_appointment(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    # The hospital day ends at 04:00 in Paris.
    to_tomorrow = update(appointments).where(appointments.c.id == 3).values(scheduled_at=CALENDAR.ends_at(DAY))
    await api.database.write(lambda connection: connection.execute(to_tomorrow))
    for appointment_id, reason in ((1, "clinic"), (2, "no_show"), (3, "no_show"), (4, "no_show")):
        await reception.post(f"/api/appointments/{appointment_id}/cancel", json={"reason": reason})
    await reception.delete("/api/appointments/4/cancel")

    today, tomorrow = await read_report(api), await read_report(api, f"?date={DAY + timedelta(days=1)}")

    assert [(each["doctor_id"], counts_of(each)) for each in today["doctors"]] == [(DR_OKAFOR.id, {"no_shows": 1})]
    assert [(each["doctor_id"], counts_of(each)) for each in tomorrow["doctors"]] == [(DR_SMITH.id, {"no_shows": 1})]


async def test_csv_has_the_figures_of_the_json(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    await doctor.post("/api/consultations", json=start_body())
    rename = update(doctors).where(doctors.c.id == DR_AMRANI.id).values(name='=cmd|"/c calc"!A1')
    await api.database.write(lambda connection: connection.execute(rename))

    answer = await (await api.staff("supervisor")).get("/api/reports/day", headers={"Accept": "text/csv"})
    report = await read_report(api)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="report-2026-03-02.csv"'
    assert answer.headers["vary"] == "Accept"
    lines = list(csv.DictReader(StringIO(answer.text)))
    assert [(line["doctor_id"], line["doctor"]) for line in lines] == [("7", '\'=cmd|"/c calc"!A1'), ("", "total")]
    for line, figures in zip(lines, [*report["doctors"], report["total"]], strict=True):
        assert line.pop("date") == "2026-03-02"
        steps = {f"waits_{step['from_minutes']}": str(step["count"]) for step in figures.pop("waits")}
        cells = {name: "" if value is None else str(value) for name, value in figures.items()}
        del line["doctor_id"], line["doctor"]
        assert line == {name: cell for name, cell in cells.items() if name not in ("doctor_id", "doctor")} | steps


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv", True),
        ("Text/CSV; charset=utf-8", True),
        ("text/*", True),
        ("text/csv;q=0.9, application/json;q=0.8", True),
        ("application/json;q=0.8, text/csv;q=0.9", True),
        ("text/csv, */*;q=0.1", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/csv", False),
        ("text/csv;q=0", False),
        ("text/csv;q=high", False),
        ("text/csv;q=0.5, application/json", False),
        ("text/html, image/png", False),
        (",;,", False),
    ],
)
def test_accept_selects_csv(accept: str, is_csv: bool) -> None:
    assert prefers_csv(accept) == is_csv


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formula_becomes_text(start: str) -> None:
    assert defused(f"{start}1+1") == f"'{start}1+1"
    assert defused(f"Dr. {start}1") == f"Dr. {start}1"


@pytest.mark.parametrize(
    ("seconds", "median", "p90"),
    [
        ([], None, None),
        ([59], 1.0, 1.0),
        ([60, 120], 1.0, 2.0),
        ([60, 120, 180], 2.0, 3.0),
        ([60 * n for n in range(1, 11)], 5.0, 9.0),
        ([60 * n for n in range(1, 12)], 6.0, 10.0),
    ],
)
def test_percentile_is_the_nearest_rank(seconds: list[int], median: float | None, p90: float | None) -> None:
    assert (nearest_rank(seconds, 50), nearest_rank(seconds, 90)) == (median, p90)


def fill_days(connection: Connection, days: list[date], rows_of_day: int) -> None:
    """Trackings of all outcomes, refusals and no-shows, drawn with a fixed seed."""
    draw, doctor_ids = random.Random(15), [DR_AMRANI.id, DR_OKAFOR.id, DR_SMITH.id]
    booked, trackings, refusals = [], [], []
    for number in range(len(days) * rows_of_day):
        day, doctor_id = days[number // rows_of_day], draw.choice(doctor_ids)
        arrived = CALENDAR.starts_at(day) + timedelta(hours=4, seconds=draw.randrange(6 * 3_600))
        started = arrived + timedelta(seconds=draw.randrange(3 * 3_600))
        ended = started + timedelta(seconds=draw.randrange(2 * 3_600))
        outcome, is_consultation = draw.choice([*Outcome]), draw.random() < 0.8
        if outcome in (Outcome.left, Outcome.cancelled, Outcome.not_seen):
            is_consultation = False
        elif outcome is not Outcome.mistaken:
            is_consultation = True
        ids = {"doctor_id": doctor_id, "prestation_id": 11, "patient_id": 123}
        booked.append(
            {"id": 10_000 + number, "scheduled_at": arrived, "status": DONE, **ids}
            | {"cancel_reason": draw.choice(["no_show", "clinic", None, None])}
        )
        trackings.append(
            {"appointment_id": 10_000 + number, "person_id": 123, "created_by": 1, "visit_day": day, **ids}
            | {"status": TrackingStatus.completed.value, "outcome": outcome.value, "exclusive": True, "reminders": 0}
            | {"check_in_time": arrived, "check_out_time": ended, "checked_in": draw.random() < 0.9}
            | {"consultation_id": str(UUID(int=number)) if is_consultation else None}
            | {"started_at": started if is_consultation else None}
            | {"overdue_at": started + timedelta(minutes=40) if is_consultation else None}
        )
        refusals.append(
            {"patient_id": 123, "visit_day": day, "at": arrived, "event": draw.choice(["refused", "started"])}
            | {"doctor_id": doctor_id, "particulars": "{}", "refusals": draw.choice([None, 3])}
        )
    for table, rows in ((appointments, booked), (patient_trackings, trackings), (timeline, refusals)):
        connection.execute(insert(table), rows)


def read_day(connection: Connection, day: date) -> DayReport:
    query = ReportQuery(day, CALENDAR.starts_at(day), CALENDAR.ends_at(day), DAY, NOON)
    return read_day_report(connection, query)


#: The counts of a day, written a second time in plain SQL.
COUNTED_BY_SQL = """
SELECT sum(CASE WHEN outcome = 'done' THEN 1 ELSE 0 END) AS seen,
  sum(CASE WHEN outcome = 'done' AND check_out_time > overdue_at THEN 1 ELSE 0 END) AS overdue,
  (SELECT sum(coalesce(refusals, 1)) FROM timeline WHERE event = 'refused' AND visit_day = :day {doctor})
    AS refused_starts,
  sum(CASE WHEN outcome = 'released' THEN 1 ELSE 0 END) AS released,
  sum(CASE WHEN outcome = 'timed_out' THEN 1 ELSE 0 END) AS timed_out,
  (SELECT count(*) FROM appointments WHERE cancel_reason = 'no_show' AND id IN
    (SELECT appointment_id FROM patient_trackings WHERE visit_day = :day) {doctor}) AS no_shows,
  sum(CASE WHEN outcome = 'left' THEN 1 ELSE 0 END) AS "left",
  sum(CASE WHEN started_at IS NOT NULL AND checked_in AND outcome <> 'mistaken' THEN 1 ELSE 0 END) AS waits
FROM patient_trackings WHERE visit_day = :day {doctor}
"""


async def test_figures_add_up_to_the_rows(database: Database) -> None:
    await database.write(seed)
    await database.write(fill_days, [YESTERDAY - timedelta(days=1), YESTERDAY, DAY], 300)

    report = await database.read(read_day, YESTERDAY)

    def count_rows(connection: Connection, doctor: str) -> dict[str, int]:
        statement = text(COUNTED_BY_SQL.format(doctor=doctor))
        row = connection.execute(statement, {"day": YESTERDAY.isoformat() if database.is_sqlite else YESTERDAY}).one()
        return {name: int(number) for name, number in row._mapping.items()}

    assert len(report["doctors"]) == 3
    conditions = [("", report["total"])]
    conditions += [(f"AND doctor_id = {each['doctor_id']}", each) for each in report["doctors"]]
    for condition, figures in conditions:
        counted = await database.read(count_rows, condition)
        assert counted == {
            **{name: figures[name] for name in COUNTS},  # type: ignore[literal-required]
            "waits": sum(step["count"] for step in figures["waits"]),
        }
        assert all(counted.values())


async def test_reads_only_the_rows_of_its_day(database: Database) -> None:
    """The work grows with the day and not with the year, and every day takes the same few statements."""
    await database.write(seed)
    await database.write(fill_days, [DAY - timedelta(days=n) for n in range(365)], 10)

    def count_work(connection: Connection, table: str) -> tuple[int, int]:
        statements: list[str] = []
        if not database.is_sqlite:
            connection.exec_driver_sql(f"ANALYZE {table}")
        with touched_rows(connection, table) as touched:
            event.listen(connection, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
            report = read_day(connection, DAY - timedelta(days=180))
            assert sum(step["count"] for step in report["total"]["waits"]) > 0
            return len(statements), touched()

    for table in ("patient_trackings", "timeline", "appointments"):
        statements, touched = await database.write(count_work, table)

        assert statements == 4
        assert touched < 2_000, table
