"""Files with own tables: CSV in any encoding and with any delimiter, workbooks, and files that are refused as a whole."""

import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from patient_visit_engine.cli.own_tables import csv_files, tables, workbooks
from patient_visit_engine.cli.own_tables.cell_values import EmptyFormula, ErrorCell
from patient_visit_engine.cli.own_tables.map_file import TableMap, parse_map
from patient_visit_engine.cli.own_tables.opening import open_table
from patient_visit_engine.cli.own_tables.refused_rows import open_refused
from patient_visit_engine.cli.own_tables.tables import Table, TableRow, UnreadableTableError


def map_with(**keys: Any) -> TableMap:
    patient = {"identifiers": [{"system": "s", "column": "No"}], "last_name": {"column": "Name"}}
    return parse_map({"encoding": "utf-8", "delimiter": ",", "patient": patient} | keys)


def write_csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def write_workbook(tmp_path: Path, *rows: list[Any], fill: Callable[[Workbook], None] | None = None) -> Path:
    workbook = Workbook()
    for row in rows:
        workbook.active.append(row)
    if fill is not None:
        fill(workbook)
    path = tmp_path / "table.xlsx"
    workbook.save(path)
    return path


def cells_of(table: Table) -> list[tuple[int, tuple[Any, ...]]]:
    return [(row.line, row.cells) for row in table.rows()]


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("cp1252", ";"), ("utf-8", ","), ("utf-8-sig", "\t"), ("utf-16", "|"), ("cp1256", ",")]
)
def test_reads_declared_encoding_and_delimiter(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = 'No,Name\r\n007,"Né, Ana"\r\n'.replace(",", delimiter).replace("é", "é" if encoding != "cp1256" else "م")

    table = open_table(write_csv(tmp_path, text, encoding), map_with(encoding=encoding, delimiter=delimiter))

    assert cells_of(table) == [
        (2, ("007", "Né, Ana".replace(",", delimiter).replace("é", text[text.index("N", 6) + 1])))
    ]


def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    table = open_table(write_csv(tmp_path, "No,Name\n1,A\n", "utf-8-sig"), map_with(encoding="utf-8"))

    assert cells_of(table) == [(2, ("1", "A"))]


def test_rows_have_their_first_line(tmp_path: Path) -> None:
    table = open_table(write_csv(tmp_path, 'No,Name,\n1,"A\nB",\n\n,,\n2,C\n'), map_with())

    assert cells_of(table) == [(2, ("1", "A\nB", "")), (6, ("2", "C"))]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n\n", "has no header"),
        (b"No,Name,No\n", "has the column 'No' twice"),
        (b"No, No ,Name\n", "has the column 'No' twice"),
        (b"No;Name\n", "has no column 'No'. It has 'No;Name'"),
        (b"No,Surname\n1,A\n", "has no column 'Name'. It has 'No', 'Surname'"),
        (b"No,Name\n1,N\xe9\n", "is not utf-8 text"),
        (b'No,Name\n1,"N\n', "line 2: is not CSV: a quote that does not end"),
        (b'No,Name\n1,"N"x\n', "line 2: is not CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old workbook (XLS), or has a password"),
        (b"\x1f\x8b\x08", "is compressed with gzip"),
        (b"PK\x03\x04 cut off", "cannot be read as a workbook"),
    ],
)
def test_refuses_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)

    with pytest.raises(UnreadableTableError) as error:
        list(open_table(path, map_with()).rows())

    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_csv_needs_encoding_and_delimiter(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "No,Name\n")

    for missing in ("encoding", "delimiter"):
        with pytest.raises(UnreadableTableError, match=f"the map needs `{missing}`"):
            open_table(path, map_with(**{missing: None}))
    with pytest.raises(UnreadableTableError, match="No such file"):
        open_table(tmp_path / "missing.csv", map_with())


def test_limits_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    monkeypatch.setattr(tables, "MAX_COLUMNS", 3)
    monkeypatch.setattr(tables, "MAX_CELL_LENGTH", 5)
    monkeypatch.setattr(csv_files, "MAX_LINE_LENGTH", 30)
    for text, reason in (
        ("No,Name\n1,A\n2,B\n3,C\n", "has more than 3 rows"),
        ("No,Name,a,b\n", "line 1 has more than 3 columns"),
        ("No,Name\n1,123456\n", "line 2 has a cell of more than 5 characters"),
        ("No,Name\n1," + "A" * 40, "line 2 has more than 30 characters"),
    ):
        with pytest.raises(UnreadableTableError, match=reason):
            list(open_table(write_csv(tmp_path, text), map_with()).rows())


def test_workbook_keeps_types_of_cells(tmp_path: Path) -> None:
    def fill(workbook: Workbook) -> None:
        workbook.active["C2"] = "=1+1"
        workbook.active["D2"] = "#N/A"

    born = datetime(1980, 2, 3)  # noqa: DTZ001
    path = write_workbook(tmp_path, ["No", "Name", "Sum", "Error"], ["007", born], [], [7, True], fill=fill)

    table = open_table(path, map_with(encoding=None, delimiter=None))

    assert cells_of(table) == [(2, ("007", born, EmptyFormula("=1+1"), ErrorCell("#N/A"))), (4, (7, True))]


def test_workbook_with_several_sheets_needs_a_name(tmp_path: Path) -> None:
    def add_sheets(workbook: Workbook) -> None:
        workbook.active.title = "One"
        workbook.create_sheet("Empty")
        workbook.create_sheet("Two").append(["No", "Name"])

    path = write_workbook(tmp_path, ["No", "Name"], [1, "A"], fill=add_sheets)

    with pytest.raises(UnreadableTableError, match="has the sheets 'One', 'Two': name one with `sheet:`"):
        open_table(path, map_with())
    with pytest.raises(UnreadableTableError, match=r"has no sheet 'Three' with content\. It has 'One', 'Two'"):
        open_table(path, map_with(sheet="Three"))
    assert cells_of(open_table(path, map_with(sheet="One"))) == [(2, (1, "A"))]


def test_refuses_workbook_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_workbook(tmp_path, ["No", "Name"])
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 1000)

    with pytest.raises(UnreadableTableError, match="unpacks to more than"):
        open_table(path, map_with())


def test_refuses_workbook_with_document_type(tmp_path: Path) -> None:
    path = write_workbook(tmp_path, ["No", "Name"])
    bomb = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><worksheet>&c;</worksheet>'
    with zipfile.ZipFile(path) as parts:
        contents = {name: parts.read(name) for name in parts.namelist()}
    with zipfile.ZipFile(path, "w") as parts:
        for name, content in contents.items():
            parts.writestr(name, bomb if name.endswith("sheet1.xml") else content)

    with pytest.raises(UnreadableTableError, match="declares a document type"):
        open_table(path, map_with())


@pytest.mark.parametrize(("encoding", "delimiter"), [("cp1252", ";"), ("utf-16", "\t"), ("utf-8-sig", ",")])
def test_refused_rows_keep_format_of_csv(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = 'No,Name\r\n007,"Né, ""A"""\r\n'.replace(",", delimiter)
    table_map = map_with(encoding=encoding, delimiter=delimiter)
    path = write_csv(tmp_path, text, encoding)
    table = open_table(path, table_map)

    with open_refused(tmp_path / "refused.csv", table_map, [table]) as writer:
        for row in table.rows():
            writer.write(row)

    assert (tmp_path / "refused.csv").read_bytes() == path.read_bytes()
    assert (tmp_path / "refused.csv").stat().st_mode & 0o777 == 0o600


def test_refused_rows_keep_types_of_workbook(tmp_path: Path) -> None:
    born = datetime(1980, 2, 3)  # noqa: DTZ001
    path = write_workbook(tmp_path, ["No", "Name", "Born"], ["007", "A", born], [7.5, None, True])

    def fill(workbook: Workbook) -> None:
        workbook.active.title = "People"
        workbook.active["B3"] = "text"
        workbook.active["B3"].value = "=A1"
        workbook.active["B3"].data_type = "s"
        workbook.active["C2"].number_format = "dd/mm/yyyy"
        workbook.active["D3"] = "=A3"

    path = write_workbook(tmp_path, ["No", "Name", "Born"], ["007", "A", born], [7.5, None, True], fill=fill)
    table_map = map_with()
    table = open_table(path, table_map)

    with open_refused(tmp_path / "refused.xlsx", table_map, [table]) as writer:
        for row in table.rows():
            writer.write(row)

    copy = open_table(tmp_path / "refused.xlsx", table_map)
    assert copy.sheet == "People"
    assert [row.cells for row in copy.rows()] == [row.cells for row in table.rows()]
    assert [row.cells for row in copy.rows()][1] == (7.5, "=A1", True, EmptyFormula("=A3"))
    assert next(copy.rows()).formats[2] == "dd/mm/yyyy"


def test_refused_file_stays_after_early_end(tmp_path: Path) -> None:
    table_map = map_with()
    table = open_table(write_csv(tmp_path, "No,Name\n1,A\n"), table_map)
    older = tmp_path / "refused.csv"
    older.write_text("older")

    with pytest.raises(KeyboardInterrupt), open_refused(older, table_map, [table]):
        raise KeyboardInterrupt
    assert older.read_text() == "older"
    with suppress(KeyboardInterrupt), open_refused(older, table_map, [table]) as writer:
        writer.write(TableRow(2, ("1", "A")))
        raise KeyboardInterrupt
    assert older.read_text() == "No,Name\n1,A\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["refused.csv", "table.csv"]


def test_refused_rows_need_files_of_one_kind(tmp_path: Path) -> None:
    table_map = map_with()
    first = open_table(write_csv(tmp_path, "No,Name\n"), table_map)
    (tmp_path / "other.csv").write_text("Name,No\n")
    second = open_table(tmp_path / "other.csv", table_map)
    workbook = open_table(write_workbook(tmp_path, ["No", "Name"]), table_map)

    for others, path, reason in (
        ([second], "refused.csv", "has other columns than"),
        ([workbook], "refused.csv", "has other columns than"),
        ([], "missing/refused.csv", "cannot be written"),
    ):
        with (
            pytest.raises(UnreadableTableError, match=reason),
            open_refused(tmp_path / path, table_map, [first, *others]),
        ):
            pass
