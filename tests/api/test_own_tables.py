"""A hospital's own table goes through the API: from the file to the worklist, and the refused rows back into the same map."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from patient_visit_engine.cli.own_tables.command import TableImport
from patient_visit_engine.cli.own_tables.map_file import parse_map
from patient_visit_engine.cli.own_tables.map_text import read_yaml
from patient_visit_engine.cli.own_tables.opening import open_table
from patient_visit_engine.cli.own_tables.refused_rows import open_refused
from patient_visit_engine.cli.own_tables.row_report import RowReport, RowTally
from patient_visit_engine.cli.progress import ProgressDisplay
from tests.cli.test_own_table_maps import WHOLE
from tests.support.api import ApiDriver
from tests.support.builders import DAY as TODAY

HEADER = "Patient No;Surname;Given name;Born;Doctor;Doctor name;Service;Booking;When;Exported"
DAY, EXPORTED = f"{TODAY:%d/%m/%Y}", f"{TODAY:%d/%m/%Y} 11:00"
NORA = f"007;Field;Nora;29/02/1980;D7;Dr. Weber;Heart;B1;{DAY} 15:30;{EXPORTED}"
ANA = f"8|x;Silva;Ana;;D7;Dr. Weber;Heart;B2;{DAY} 15:50;{EXPORTED}"


class Hospital:
    """Imports tables into the application of a test."""

    def __init__(self, api: ApiDriver, folder: Path) -> None:
        self._api, self._folder = api, folder
        self.refused = folder / "refused.csv"
        self.lines: list[str] = []

    def write(self, *rows: str) -> Path:
        path = self._folder / "table.csv"
        path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="cp1252")
        return path

    async def import_table(self, path: Path) -> RowTally:
        """Import the file by the map, and keep the printed lines."""
        (self._folder / "map.yaml").write_text(WHOLE)
        table_map = parse_map(read_yaml(self._folder / "map.yaml"))
        table = open_table(path, table_map)
        console = Console(soft_wrap=True, quiet=False, width=200, record=True, file=(self._folder / "out").open("w"))
        with ProgressDisplay(Console(quiet=True)) as progress:
            if path == self.refused:
                report = RowReport(console, None, None)
                await self._feed(TableImport(table_map, [(table, 1)], report, progress))
            else:
                with open_refused(self.refused, table_map, [table]) as writer:
                    report = RowReport(console, None, writer)
                    await self._feed(TableImport(table_map, [(table, 1)], report, progress))
        console.file.close()
        self.lines = console.export_text().splitlines()
        return report.tally

    async def _feed(self, table_import: TableImport) -> None:
        await table_import.feed_with(await self._api.staff("service"), ZoneInfo("Europe/Paris"))


@pytest.fixture
def hospital(api: ApiDriver, tmp_path: Path) -> Hospital:
    return Hospital(api, tmp_path)


async def test_table_fills_the_worklist(api: ApiDriver, hospital: Hospital) -> None:
    tally = await hospital.import_table(hospital.write(NORA, ANA))

    assert (tally, hospital.lines) == (RowTally(accepted=2), [])
    [nora] = (await api.read_worklist("?q=Nora"))["items"]
    assert nora["patient_name"] == "Nora Field"
    assert (nora["birth_date"], nora["record_number"]) == ("1980-02-29", "007")
    assert (nora["doctor_name"], nora["prestation"], nora["exclusive"]) == ("Dr. Weber", "Heart", True)
    assert nora["scheduled_at"] == f"{TODAY}T14:30:00.000Z"
    assert nora["patient_id"] >= 2**40
    [ana] = (await api.read_worklist("?q=Ana"))["items"]
    assert (ana["record_number"], ana["doctor_id"]) == ("8|x", nora["doctor_id"])


async def test_corrected_rows_are_accepted(api: ApiDriver, hospital: Hospital) -> None:
    long_name = ANA.replace("Silva", "\u00e9" * 201)

    first = await hospital.import_table(hospital.write(NORA, long_name, ANA.replace("8|x", "")))
    corrected = hospital.refused.read_text("cp1252").replace("\u00e9" * 201, "Silv\u00e9").replace("\n;", "\n9;")
    hospital.refused.write_text(
        corrected.replace("9;Silva;Ana;;D7;Dr. Weber;Heart;B2", "9;Silva;Ana;;D7;Dr. Weber;Heart;B3"), "cp1252"
    )
    second = await hospital.import_table(hospital.refused)

    assert first == RowTally(accepted=1, refused=2)
    assert second == RowTally(accepted=2)
    names = {item["patient_name"] for item in (await api.read_worklist())["items"]}
    assert {"Nora Field", "Ana Silv\u00e9", "Ana Silva"} <= names


async def test_second_import_changes_nothing(api: ApiDriver, hospital: Hospital) -> None:
    table = hospital.write(NORA, ANA)
    await hospital.import_table(table)
    before = await api.all_rows()

    tally = await hospital.import_table(table)

    assert tally == RowTally(accepted=2)
    assert await api.all_rows() == before


async def test_nightly_import_keeps_decisions_of_staff(api: ApiDriver, hospital: Hospital) -> None:
    table = hospital.write(NORA, ANA)
    await hospital.import_table(table)
    [nora] = (await api.read_worklist("?q=Nora"))["items"]
    reception = await api.staff("reception")
    canceled = await reception.patch(f"/api/appointments/{nora['appointment_id']}/status", json={"status": "canceled"})
    assert canceled.status_code == 200

    await hospital.import_table(hospital.write(NORA.replace("11:00", "11:30"), ANA))

    [nora] = (await api.read_worklist("?q=Nora"))["items"]
    assert nora["status"] == "canceled"


async def test_older_table_changes_nothing(api: ApiDriver, hospital: Hospital) -> None:
    await hospital.import_table(hospital.write(NORA))
    before = await api.all_rows()

    tally = await hospital.import_table(hospital.write(NORA.replace("11:00", "10:00").replace("Field", "Old")))

    assert tally == RowTally(accepted=1, older=1)
    assert hospital.lines == ["older: table.csv line 2: the system has a newer patient"]
    assert await api.all_rows() == before


async def test_refusal_of_the_system_names_the_cell(api: ApiDriver, hospital: Hospital) -> None:
    before = await api.all_rows()

    tally = await hospital.import_table(hospital.write(NORA.replace("11:00", "23:00")))

    assert tally == RowTally(refused=1)
    [line] = hospital.lines
    assert line.startswith(f"refused: table.csv line 2, Exported: '{DAY} 23:00': patient: 422 as_of_ahead: ")
    assert await api.all_rows() == before
