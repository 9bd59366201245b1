"""`visit-engine import` adds every valid row, refuses the others with a reason, and never changes existing rows."""

import asyncio
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, Executable, insert, inspect, select, update

from patient_visit_engine.cli.datasets import hangu, mimic, no_show
from patient_visit_engine.cli.datasets.csv_table import NotADataSetError
from patient_visit_engine.cli.datasets.formats import read_data_sets
from patient_visit_engine.cli.datasets.recorded import RefusedRow
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage import tables
from patient_visit_engine.storage.database import Database
from patient_visit_engine.wire.field_types import MAX_ID

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


@pytest.fixture(autouse=True)
def local_time(clean_environment: pytest.MonkeyPatch) -> None:
    """The hospital is in Vitoria, so that local times differ from UTC."""
    clean_environment.setenv("VISIT_TIMEZONE", "America/Sao_Paulo")


def write_file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def write_mimic_folder(tmp_path: Path) -> Path:
    for name in ("icu", "hosp"):
        (tmp_path / "mimic" / name).mkdir(parents=True)
    write_file(tmp_path, "mimic/icu/procedureevents.csv.gz", PROCEDURES)
    write_file(tmp_path, "mimic/icu/d_items.csv.gz", ITEMS)
    write_file(tmp_path, "mimic/hosp/transfers.csv", STAYS)
    return tmp_path / "mimic"


def run_in_database(address: str, unit: Callable[[Connection], T]) -> T:
    async def write_and_close() -> T:
        database = Database(address)
        try:
            return await database.write(unit)
        finally:
            await database.close()

    return asyncio.run(write_and_close())


def load_rows(address: str, name: str) -> list[dict[str, object]]:
    table = tables.metadata.tables[name]
    query = select(table).order_by(*table.primary_key)
    return run_in_database(address, lambda connection: [dict(row) for row in connection.execute(query).mappings()])


def execute(address: str, statement: Executable) -> None:
    run_in_database(address, lambda connection: connection.execute(statement).close())


def test_refuses_invalid_rows_with_line_and_reason(tmp_path: Path) -> None:
    [data_set] = read_data_sets(write_file(tmp_path, "any.csv", NO_SHOW))

    assert [appointment.appointment_id for appointment in data_set.appointments] == [102, 101, 103]
    assert data_set.refused == (
        RefusedRow(5, "PatientId '93779E-5' is not a whole number", "any.csv"),
        RefusedRow(6, "AppointmentID 101 is the same as on line 2", "any.csv"),
        RefusedRow(7, "PatientId 9007199254740993 is not between 1 and 999999999999999", "any.csv"),
        RefusedRow(8, "AppointmentDay 'soon' is not a date and time", "any.csv"),
        RefusedRow(9, "the row is too short: No-show is missing", "any.csv"),
        RefusedRow(10, "No-show is neither Yes nor No", "any.csv"),
        RefusedRow(11, "Neighbourhood contains control characters", "any.csv"),
    )


def test_bookings_are_dealt_out_in_order(tmp_path: Path) -> None:
    lines = NO_SHOW.splitlines()[:1] + [
        f"{200 + n},{n},F,2016-04-01T08:{59 - n:02d}:00Z,2016-04-30T00:00:00Z,1,CENTRO,0,0,0,0,0,0,No"
        for n in range(1, 31)
    ]

    [data_set] = read_data_sets(write_file(tmp_path, "any.csv", "\n".join(lines)))

    # 30 appointments need two doctors with 24 places each. The appointment with the highest number was booked first.
    first, second, third = data_set.appointments[:3]
    assert len({appointment.doctor_id for appointment in data_set.appointments}) == 2
    assert {first.appointment_id, second.appointment_id} == {29, 30}
    assert first.scheduled_at == second.scheduled_at
    assert (third.scheduled_at - first.scheduled_at).total_seconds() == no_show.MINUTES * 60


def test_procedures_have_names_lengths_exclusivity(tmp_path: Path) -> None:
    procedures, stays = read_data_sets(write_mimic_folder(tmp_path))

    culture, xray = sorted(procedures.appointments, key=lambda appointment: appointment.appointment_id)
    assert procedures.dates_are_shifted
    assert (culture.prestation, culture.exclusive, culture.expected_minutes) == ("Procedure 225401", True, 1)
    assert (xray.prestation, xray.exclusive, xray.expected_minutes) == ("Chest X-Ray", False, 120)
    assert (culture.doctor, xray.doctor) == ("Caregiver 77", "Unnamed caregiver, Imaging")
    assert culture.patient_id == mimic.FIRST_PATIENT + 10001
    assert [row.reason for row in procedures.refused] == ["endtime is not after starttime"]
    assert [stay.prestation for stay in stays.appointments] == ["Stay in Emergency Department"]
    assert [row.reason for row in stays.refused] == ["outtime is empty: the row is a discharge, not a stay"]


def test_sessions_get_fitting_dates(tmp_path: Path) -> None:
    [data_set] = read_data_sets(write_file(tmp_path, "Data.csv.gz", HANGU))

    assert [appointment.started_at.isoformat() for appointment in data_set.appointments if appointment.started_at] == [
        "2018-01-03T08:30:00",
        "2018-01-03T14:30:05",
        "2018-01-04T14:30:00",
        "2018-01-11T14:30:00",
    ]
    assert data_set.appointments[0].patient_id == hangu.FIRST_ID + 10
    assert [row.line for row in data_set.refused] == [6, 7]


def test_two_sets_never_share_a_patient(tmp_path: Path) -> None:
    text = PROCEDURES.replace("10001,", "29872,")

    clinic = read_data_sets(write_file(tmp_path, "a.csv", NO_SHOW))[0]
    hospital = read_data_sets(write_file(tmp_path, "b.csv", text))[0]

    clinic_patients = {appointment.patient_id for appointment in clinic.appointments}
    hospital_patients = {appointment.patient_id for appointment in hospital.appointments}
    assert 29872 in clinic_patients
    assert not clinic_patients & hospital_patients
    assert max(hospital_patients) <= MAX_ID


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("Raw.csv", b"ID,Session,Month\n1,2,3\n", "unknown columns"),
        ("empty.csv", b"", "unknown columns"),
        ("cut.csv.gz", gzip.compress(NO_SHOW.encode())[:-12], "cannot be read"),
        ("latin.csv", NO_SHOW.replace("CENTRO", "S\xe3o").encode("latin-1"), "is not UTF-8"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not UTF-8"),
    ],
)
def test_invalid_file_writes_nothing(
    visit_engine: Command, address: str, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)

    result = visit_engine("import", write_file(tmp_path, "good.csv", NO_SHOW), name)

    assert isinstance(result.exception, OperatorError)
    assert result.exception.exit_code == 2
    assert reason in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "visits.db").exists()
    assert run_in_database(address, lambda connection: inspect(connection).get_table_names()) == []


def test_reports_missing_file_and_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(NotADataSetError, match="No such file"):
        read_data_sets(tmp_path / "nowhere.csv")
    with pytest.raises(NotADataSetError, match=r"contains no procedureevents\.csv"):
        read_data_sets(tmp_path)


def test_import_uses_local_time_and_sends_no_event(visit_engine: Command, address: str, tmp_path: Path) -> None:
    result = visit_engine("import", write_file(tmp_path, "any.csv", NO_SHOW))

    assert result.exit_code == 0, result.output
    assert "refused: any.csv line 5: PatientId '93779E-5' is not a whole number" in result.stderr
    assert "added 2 patients, 1 doctors, 1 prestations, 3 appointments" in result.stdout
    first_appointment = load_rows(address, "appointments")[0]
    # 08:20 in Vitoria, which was three hours behind UTC.
    assert str(first_appointment["scheduled_at"]) == "2016-04-30 11:20:00+00:00"
    assert first_appointment["status"] == 0
    assert load_rows(address, "events") == []


def test_second_import_changes_nothing(visit_engine: Command, address: str, tmp_path: Path) -> None:
    files = [write_file(tmp_path, "a.csv", NO_SHOW), write_mimic_folder(tmp_path), write_file(tmp_path, "b.csv", HANGU)]
    assert visit_engine("import", *files).exit_code == 0
    before = {table: load_rows(address, table) for table in ("patients", "doctors", "prestations", "appointments")}
    execute(address, update(tables.appointments).values(status=1))

    result = visit_engine("import", *files)

    assert result.exit_code == 0, result.output
    assert "nothing to add: all 10 appointments exist already" in result.stdout
    after = {table: load_rows(address, table) for table in before}
    assert after == before | {"appointments": [row | {"status": 1} for row in before["appointments"]]}


def test_number_conflict_refuses_the_appointments(visit_engine: Command, address: str, tmp_path: Path) -> None:
    assert visit_engine("migrate", "--database-only").exit_code == 0
    execute(address, insert(tables.patients).values(id=29872, first_name="Ana", last_name="Real"))

    result = visit_engine("import", write_file(tmp_path, "any.csv", NO_SHOW))

    assert result.exit_code == 0, result.output
    assert "line 2: patient 29872 exists already with other values: not changed" in result.stderr
    assert [row["id"] for row in load_rows(address, "appointments")] == [102]
    assert load_rows(address, "patients")[0]["first_name"] == "Ana"


def test_prints_limited_number_of_refusals(visit_engine: Command, tmp_path: Path) -> None:
    result = visit_engine("import", write_file(tmp_path, "any.csv", NO_SHOW), "--show", "2")

    assert result.stderr.count("refused: any.csv") == 2
    assert "refused: 5 more (print all with --show 7)" in result.stderr


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_names_the_separator_of_the_file(visit_engine: Command, tmp_path: Path, separator: str, name: str) -> None:
    result = visit_engine("import", write_file(tmp_path, "any.csv", NO_SHOW.replace(",", separator)))

    assert isinstance(result.exception, OperatorError)
    assert result.exception.exit_code == 2
    assert f"separated by {name}" in str(result.exception)


def test_fails_when_every_row_is_refused(visit_engine: Command, address: str, tmp_path: Path) -> None:
    header, row = NO_SHOW.splitlines()[:2]
    table = f"{header}\n{row.replace('2016-04-30T00:00:00Z', '30/04/2016')}\n"

    result = visit_engine("import", write_file(tmp_path, "any.csv", table))

    assert result.exit_code == 4
    assert "nothing was taken: 1 of 1 rows refused" in result.stdout
    assert load_rows(address, "appointments") == []


PUBLISHED = Path(os.environ.get("VISIT_TEST_DATA") or Path(__file__).parents[2].parent / "shared" / "data")


@pytest.mark.parametrize(
    ("path", "accepted", "refused"),
    [
        ("noshow-vitoria/KaggleV2-May-2016.csv.gz", [110_522], [5]),
        ("mimic-iv-demo", [1_468, 915], [0, 275]),
        ("hangu-consultations/Data.csv.gz", [6_637], [0]),
    ],
)
def test_reads_published_sets_completely(path: str, accepted: list[int], refused: list[int]) -> None:
    if not (PUBLISHED / path).exists():
        pytest.skip(f"{path} is missing: set VISIT_TEST_DATA to the folder that contains it")

    data_sets = read_data_sets(PUBLISHED / path)

    assert [len(data_set.appointments) for data_set in data_sets] == accepted
    assert [len(data_set.refused) for data_set in data_sets] == refused
    ids = [
        record_id
        for data_set in data_sets
        for appointment in data_set.appointments
        for record_id in (appointment.patient_id, appointment.doctor_id, appointment.appointment_id)
    ]
    assert min(ids) >= 1
    assert max(ids) <= MAX_ID
