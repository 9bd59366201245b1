"""`visit-engine import` takes what it can of each data set, says why of every row that it cannot, and never changes what is there."""

import asyncio
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, Executable, insert, inspect, select, update
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build
from patient_visit_engine.cli.datasets import catalogue, hangu, mimic, no_show
from patient_visit_engine.cli.datasets.rows import LARGEST_ID, NotADataSetError, RefusedRow
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage import tables
from patient_visit_engine.storage.database import Database

NO_SHOW = """\
PatientId,AppointmentID,Gender,ScheduledDay,AppointmentDay,Age,Neighbourhood,Scholarship,Hipertension,Diabetes,Alcoholism,Handcap,SMS_received,No-show
29872,101,F,2016-04-29T18:38:08Z,2016-04-30T00:00:00Z,62,CENTRO,0,0,0,0,0,0,No
55899,102,M,2016-04-29T16:08:27Z,2016-04-30T00:00:00Z,56,CENTRO,0,0,0,0,0,0,Yes
29872,103,F,2016-04-29T19:00:00Z,2016-05-02T00:00:00Z,62,CENTRO,0,0,0,0,0,0,No
93779E-5,104,F,2016-04-29T19:00:00Z,2016-05-02T00:00:00Z,62,CENTRO,0,0,0,0,0,0,No
29872,101,F,2016-04-29T19:00:00Z,2016-05-02T00:00:00Z,62,CENTRO,0,0,0,0,0,0,No
9007199254740993,105,F,2016-04-29T19:00:00Z,2016-05-02T00:00:00Z,62,CENTRO,0,0,0,0,0,0,No
29872,106,F,2016-04-29T19:00:00Z,soon,62,CENTRO,0,0,0,0,0,0,No
29872,107,F,2016-04-29T19:00:00Z
29872,108,F,2016-04-29T19:00:00Z,2016-05-02T00:00:00Z,62,CENTRO,0,0,0,0,0,0,perhaps
29872,109,F,2016-04-29T19:00:00Z,2016-05-02T00:00:00Z,62,"CEN\x07TRO",0,0,0,0,0,0,No
"""
PROCEDURES = """\
subject_id,hadm_id,stay_id,caregiver_id,starttime,endtime,storetime,itemid,value,orderid,ordercategoryname
10001,1,1,77,2142-07-31 09:00:00,2142-07-31 09:01:00,,225401,1,501,Procedures
10001,1,1,,2142-07-31 09:00:00,2142-07-31 11:00:00,,225459,1,502,Imaging
10002,1,1,77,2150-01-01 10:00:00,2150-01-01 10:00:00,,225401,1,503,Procedures
"""
ITEMS = "itemid,label,abbreviation,linksto\n225459,Chest X-Ray,Chest X-Ray,procedureevents\n"
STAYS = """\
subject_id,hadm_id,transfer_id,eventtype,careunit,intime,outtime
10001,1,601,ED,Emergency Department,2142-07-31 02:00:00,2142-07-31 08:30:00
10001,1,602,discharge,,2142-08-02 12:00:00,
"""
HANGU = """\
ID,Session,Month,DayOfWeek,WorkingDay,AM_PM,Visit.No,Gender,M.Cancer,S.Cancer,StartTime,PayTime,Address,ServTime
H00000000A,1,January,Wednesday,TRUE,morning,7,F,TRUE,FALSE,8:30:00,8:44:28,NA,600
H00000000B,2,January,Wednesday,TRUE,afternoon,7,F,TRUE,FALSE,14:30:05,14:44:28,NA,300
H00000000A,3,January,Thursday,TRUE,afternoon,7,F,TRUE,FALSE,14:30:00,14:44:28,NA,300
H00000000A,4,January,Thursday,TRUE,afternoon,7,F,TRUE,FALSE,14:30:00,14:44:28,NA,300
X00000000A,4,January,Thursday,TRUE,afternoon,7,F,TRUE,FALSE,14:30:00,14:44:28,NA,300
H00000000A,4,January,Thursday,TRUE,afternoon,7,F,TRUE,FALSE,25:30:00,14:44:28,NA,300
"""

T = TypeVar("T")
Command = Callable[..., Any]


@pytest.fixture
def visit_engine(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command against a database of its own, the hospital being in Vitoria."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VISIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VISIT_DATABASE_URL", address)
    monkeypatch.setenv("VISIT_TIMEZONE", "America/Sao_Paulo")
    return lambda *words: CliRunner().invoke(build(), [str(word) for word in words])


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def mimic_folder(tmp_path: Path) -> Path:
    for name in ("icu", "hosp"):
        (tmp_path / "mimic" / name).mkdir(parents=True)
    written(tmp_path, "mimic/icu/procedureevents.csv.gz", PROCEDURES)
    written(tmp_path, "mimic/icu/d_items.csv.gz", ITEMS)
    written(tmp_path, "mimic/hosp/transfers.csv", STAYS)
    return tmp_path / "mimic"


def in_database(address: str, unit: Callable[[Connection], T]) -> T:
    async def whole() -> T:
        database = Database(address)
        try:
            return await database.write(unit)
        finally:
            await database.close()

    return asyncio.run(whole())


def rows(address: str, name: str) -> list[dict[str, object]]:
    table = tables.metadata.tables[name]
    query = select(table).order_by(*table.primary_key)
    return in_database(address, lambda connection: [dict(row) for row in connection.execute(query).mappings()])


def write(address: str, statement: Executable) -> None:
    in_database(address, lambda connection: connection.execute(statement).close())


def test_rows_that_cannot_be_taken_are_refused_with_line_and_reason(tmp_path: Path) -> None:
    [found] = catalogue.read(written(tmp_path, "any.csv", NO_SHOW))

    assert [appointment.appointment_id for appointment in found.appointments] == [102, 101, 103]
    assert found.refused == (
        RefusedRow(5, "PatientId '93779E-5' is not a whole number", "any.csv"),
        RefusedRow(6, "AppointmentID 101 is the same as on line 2", "any.csv"),
        RefusedRow(7, "PatientId 9007199254740993 is not between 1 and 999999999999999", "any.csv"),
        RefusedRow(8, "AppointmentDay 'soon' is not a date and time", "any.csv"),
        RefusedRow(9, "the row is too short: No-show is missing", "any.csv"),
        RefusedRow(10, "No-show is neither Yes nor No", "any.csv"),
        RefusedRow(11, "Neighbourhood holds control characters", "any.csv"),
    )


def test_a_clinics_day_is_dealt_out_in_the_order_of_booking(tmp_path: Path) -> None:
    lines = NO_SHOW.splitlines()[:1] + [
        f"{200 + n},{n},F,2016-04-01T08:{59 - n:02d}:00Z,2016-04-30T00:00:00Z,1,CENTRO,0,0,0,0,0,0,No"
        for n in range(1, 31)
    ]
    [found] = catalogue.read(written(tmp_path, "any.csv", "\n".join(lines)))

    # 30 appointments are too many for one doctor's 24 places: two doctors, and the last booked of all goes first.
    first, second, third = found.appointments[:3]
    assert len({appointment.doctor_id for appointment in found.appointments}) == 2
    assert {first.appointment_id, second.appointment_id} == {29, 30}
    assert first.scheduled_at == second.scheduled_at
    assert (third.scheduled_at - first.scheduled_at).total_seconds() == no_show.MINUTES * 60


def test_procedures_have_their_names_lengths_and_what_may_run_beside(tmp_path: Path) -> None:
    procedures, stays = catalogue.read(mimic_folder(tmp_path))

    culture, xray = sorted(procedures.appointments, key=lambda appointment: appointment.appointment_id)
    assert procedures.dates_are_shifted
    assert (culture.prestation, culture.exclusive, culture.expected_minutes) == ("Procedure 225401", True, 1)
    assert (xray.prestation, xray.exclusive, xray.expected_minutes) == ("Chest X-Ray", False, 120)
    assert (culture.doctor, xray.doctor) == ("Caregiver 77", "Unnamed caregiver, Imaging")
    assert culture.patient_id == mimic.PATIENTS + 10001
    assert [row.why for row in procedures.refused] == ["endtime is not after starttime"]
    assert [stay.prestation for stay in stays.appointments] == ["Stay in Emergency Department"]
    assert [row.why for row in stays.refused] == ["a discharge has no end: it is not a stay"]


def test_sessions_without_a_date_get_one_that_fits_month_and_weekday(tmp_path: Path) -> None:
    [found] = catalogue.read(written(tmp_path, "Data.csv.gz", HANGU))

    assert [appointment.started.isoformat() for appointment in found.appointments if appointment.started] == [
        "2018-01-03T08:30:00",
        "2018-01-03T14:30:05",
        "2018-01-04T14:30:00",
        "2018-01-11T14:30:00",
    ]
    assert found.appointments[0].patient_id == hangu.SPACE + 10
    assert [row.line for row in found.refused] == [6, 7]


def test_the_same_number_in_two_sets_is_never_one_patient(tmp_path: Path) -> None:
    text = PROCEDURES.replace("10001,", "29872,")
    of_clinic = catalogue.read(written(tmp_path, "a.csv", NO_SHOW))[0]
    of_hospital = catalogue.read(written(tmp_path, "b.csv", text))[0]

    patients = [{appointment.patient_id for appointment in found.appointments} for found in (of_clinic, of_hospital)]
    assert 29872 in patients[0]
    assert not patients[0] & patients[1]
    assert max(patients[1]) <= LARGEST_ID


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("Raw.csv", b"ID,Session,Month\n1,2,3\n", "no known data set"),
        ("empty.csv", b"", "no known data set"),
        ("cut.csv.gz", gzip.compress(NO_SHOW.encode())[:-12], "cannot be read"),
        ("latin.csv", NO_SHOW.replace("CENTRO", "S\xe3o").encode("latin-1"), "is not UTF-8"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_whole_data_set_is_one_line_and_nothing_is_written(
    visit_engine: Command, address: str, tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)

    result = visit_engine("import", written(tmp_path, "good.csv", NO_SHOW), name)

    assert isinstance(result.exception, OperatorError)
    assert result.exception.exit_code == 2
    assert why in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "visits.db").exists()
    assert in_database(address, lambda connection: inspect(connection).get_table_names()) == []


def test_a_missing_file_and_a_folder_without_tables_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotADataSetError, match="No such file"):
        catalogue.read(tmp_path / "nowhere.csv")
    with pytest.raises(NotADataSetError, match=r"holds no procedureevents\.csv"):
        catalogue.read(tmp_path)


def test_imported_appointments_stand_at_the_hospitals_wall_time_and_send_no_event(
    visit_engine: Command, address: str, tmp_path: Path
) -> None:
    result = visit_engine("import", written(tmp_path, "any.csv", NO_SHOW))

    assert result.exit_code == 0, result.output
    assert "refused: any.csv line 5: PatientId '93779E-5' is not a whole number" in result.stderr
    assert "added 2 patients, 1 doctors, 1 prestations, 3 appointments" in result.stdout
    first = (rows(address, "appointments"))[0]
    # 08:20 in Vitoria, which was three hours behind UTC.
    assert str(first["scheduled_at"]) == "2016-04-30 11:20:00+00:00"
    assert first["status"] == 0
    assert rows(address, "events") == []


def test_a_second_import_changes_nothing_and_says_so(visit_engine: Command, address: str, tmp_path: Path) -> None:
    files = [written(tmp_path, "a.csv", NO_SHOW), mimic_folder(tmp_path), written(tmp_path, "b.csv", HANGU)]
    assert visit_engine("import", *files).exit_code == 0
    before = {table: rows(address, table) for table in ("patients", "doctors", "prestations", "appointments")}
    write(address, update(tables.appointments).values(status=1))

    result = visit_engine("import", *files)

    assert result.exit_code == 0, result.output
    assert "nothing to add, all 10 appointments are there already" in result.stdout
    after = {table: rows(address, table) for table in before}
    assert after == before | {"appointments": [row | {"status": 1} for row in before["appointments"]]}


def test_nobodys_appointment_falls_to_a_patient_who_only_has_the_same_number(
    visit_engine: Command, address: str, tmp_path: Path
) -> None:
    assert visit_engine("migrate", "--database-only").exit_code == 0
    write(address, insert(tables.patients).values(id=29872, first_name="Ana", last_name="Real"))

    result = visit_engine("import", written(tmp_path, "any.csv", NO_SHOW))

    assert result.exit_code == 0, result.output
    assert "line 2: patient 29872 is there already and says something else: left as it is" in result.stderr
    assert [row["id"] for row in rows(address, "appointments")] == [102]
    assert (rows(address, "patients"))[0]["first_name"] == "Ana"


def test_only_so_many_refusals_are_named_and_the_rest_counted(visit_engine: Command, tmp_path: Path) -> None:
    result = visit_engine("import", written(tmp_path, "any.csv", NO_SHOW), "--show", "2")

    assert result.stderr.count("refused: any.csv") == 2
    assert "refused: 5 more (name them with --show 7)" in result.stderr


REAL = Path(os.environ.get("VISIT_TEST_DATA") or Path(__file__).parents[2].parent / "shared" / "data")


@pytest.mark.parametrize(
    ("path", "taken", "refused"),
    [
        ("noshow-vitoria/KaggleV2-May-2016.csv.gz", [110_522], [5]),
        ("mimic-iv-demo", [1_468, 915], [0, 275]),
        ("hangu-consultations/Data.csv.gz", [6_637], [0]),
    ],
)
def test_the_published_sets_are_read_whole(path: str, taken: list[int], refused: list[int]) -> None:
    if not (REAL / path).exists():
        pytest.skip(f"{path} is not here: set VISIT_TEST_DATA to the folder that holds it")

    found = catalogue.read(REAL / path)

    assert [len(one.appointments) for one in found] == taken
    assert [len(one.refused) for one in found] == refused
    everyone = [
        number for one in found for a in one.appointments for number in (a.patient_id, a.doctor_id, a.appointment_id)
    ]
    assert min(everyone) >= 1
    assert max(everyone) <= LARGEST_ID
