"""`visit-engine import --suggest`: a first map from the header and the first rows, in several languages."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from openpyxl import Workbook

from patient_visit_engine.cli.own_tables.header_words import classify
from patient_visit_engine.cli.own_tables.map_file import read_map
from patient_visit_engine.cli.own_tables.opening import open_table
from patient_visit_engine.cli.own_tables.records import RowReader, check_constants
from patient_visit_engine.cli.own_tables.suggest import suggestion_for
from patient_visit_engine.cli.own_tables.tables import UnreadableTableError
from tests.cli.test_own_table_maps import WHOLE

TABLE = """\
Patient No;Surname;Given name;Born;Doctor;Doctor name;Service;Booking;When;Exported
007;Muller;Ana;23/02/1980;D7;Dr. Weber;Cardiology;B1;27/11/2026 10:30;27/11/2026 06:00
008;Doe;;03/12/1990;D8;Dr. Re;X-ray;B2;27/11/2026 10:50;27/11/2026 06:00
"""


def write_table(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def records_with(suggestion: str, path: Path) -> list[list[str]]:
    """The identifiers of the records of each row, read with the suggested map as it is."""
    map_path = path.with_name("map.yaml")
    map_path.write_text(suggestion)
    table_map = read_map(map_path)
    check_constants(table_map, ZoneInfo("UTC"))
    table = open_table(path, table_map)
    reader = RowReader(table_map, table, ZoneInfo("UTC"))
    return [[record.identifier for record in reader.read(row)] for row in table.rows()]


def test_map_without_doubts_works_unedited(tmp_path: Path) -> None:
    path = write_table(tmp_path, TABLE)

    suggestion = suggestion_for(path)

    assert suggestion.splitlines()[0] == "# A first map for table.csv, with no doubts."
    assert yaml.safe_load(suggestion) == yaml.safe_load(WHOLE) | {"encoding": "utf-8"}
    assert records_with(suggestion, path)[0] == [
        "urn:hospital:mrn|007",
        "urn:hospital:staff|D7",
        "urn:hospital:service|Cardiology",
        "urn:hospital:appointment|B1",
    ]


@pytest.mark.parametrize(
    ("header", "row", "encoding", "columns"),
    [
        (
            "N° patient;Nom;Prénom;Date de naissance;Médecin;Acte;N° RDV;Date et heure du RDV",
            "7;Dupont;Léa;13/02/1980;Dr Petit;ECG;B1;27/11/2026 10:30",
            "utf-8",
            ["N° patient", "Nom", "Prénom", "Date de naissance", "Médecin", "Acte", "N° RDV", "Date et heure du RDV"],
        ),
        (
            "Patientennummer\tNachname\tVorname\tGeburtsdatum\tArzt\tLeistung\tTerminnummer\tTermin",
            "7\tMeier\tLea\t13.02.1980\tDr. Groß\tEKG\tB1\t27.11.2026 10:30",
            "utf-16",
            ["Patientennummer", "Nachname", "Vorname", "Geburtsdatum", "Arzt", "Leistung", "Terminnummer", "Termin"],
        ),
        (
            "NHC,Apellidos,Nombre,Fecha de nacimiento,Médico,Servicio,Nº cita,Fecha de la cita",
            "7,García,Lea,1980-02-13,Dr. M,ECG,B1,2026-11-27T10:30:00+01:00",
            "utf-8-sig",
            ["NHC", "Apellidos", "Nombre", "Fecha de nacimiento", "Médico", "Servicio", "Nº cita", "Fecha de la cita"],
        ),
        (
            "Prontuário|Sobrenome|Nome|Nascimento|Médico|Exame|Código do agendamento|Data do agendamento",
            "7|Silva|Lea|13/02/1980|Dra. M|ECG|B1|27/11/2026 10:30",
            "utf-8",
            ["Prontuário", "Sobrenome", "Nome", "Nascimento", "Médico", "Exame", "Código do agendamento", "Data do agendamento"],
        ),
        (
            "رقم المريض,اللقب,الاسم الأول,تاريخ الميلاد,الطبيب,الخدمة,رقم الموعد,تاريخ الموعد",
            "7,حداد,ليلى,1980-02-13,د. أحمد,قلب,B1,27/11/2026 10:30",
            "utf-8",
            ["رقم المريض", "اللقب", "الاسم الأول", "تاريخ الميلاد", "الطبيب", "الخدمة", "رقم الموعد", "تاريخ الموعد"],
        ),
    ],
    ids=["French", "German", "Spanish", "Portuguese", "Arabic"],
)  # fmt: skip
def test_recognises_other_languages(tmp_path: Path, header: str, row: str, encoding: str, columns: list[str]) -> None:
    path = write_table(tmp_path, f"{header}\n{row}\n", encoding)

    suggestion = suggestion_for(path)

    values = yaml.safe_load(suggestion)
    patient, appointment = values["patient"], values["appointment"]
    assert values["encoding"] == encoding
    assert [
        patient["identifiers"][0]["column"],
        *(patient[name]["column"] for name in ("last_name", "first_name", "birth_date")),
        values["doctor"]["name"]["column"],
        values["prestation"]["name"]["column"],
        appointment["identifiers"][0]["column"],
        appointment["scheduled_at"]["column"],
    ] == columns
    # The only doubt: the doctors have no numbers.
    assert "with 1 doubt:" in suggestion
    assert records_with(suggestion, path)[0][3] == "urn:hospital:appointment|B1"


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"23/02/1980": "03/02/1980"}, "day or month first? %m/%d/%Y fits too"),
        ({"23/02/1980": "next week"}, 'no usual pattern fits: "next week" is an example'),
        ({"Muller": "M\u00fcller"}, "the file is not UTF-8, and this is the usual encoding"),
        ({"Surname;Given name": "Patient name;Remark"}, "are these whole names?"),
        ({"Surname;Given name": "Surname;Patient sex", "Ana": "F"}, 'sex is left out: "Patient sex" must have male, female'),
        ({"Booking": "Remark"}, "the appointments are left out, because no column seems to have their number"),
        ({"Doctor;Doctor name": "a;b"}, "the appointments are left out, because the section doctor is missing"),
        ({"Patient No": "a"}, "patient is left out, because no column seems to have the numbers"),
        ({"Given name": "Last name"}, '"Last name" is not used: "Surname" seems to be the same'),
    ],
)  # fmt: skip
def test_doubts_are_comments(tmp_path: Path, changes: dict[str, str], doubt: str) -> None:
    text = TABLE
    for old, new in changes.items():
        text = text.replace(old, new)

    suggestion = suggestion_for(write_table(tmp_path, text, "cp1252"))

    assert [line for line in suggestion.splitlines() if line.strip().startswith(f"# doubt: {doubt}")], suggestion


def test_suggests_map_for_workbook(tmp_path: Path) -> None:
    born, when = datetime(1980, 2, 3), datetime(2026, 11, 27, 10, 30)  # noqa: DTZ001
    workbook = Workbook()
    rows: list[list[Any]] = [
        ["Patient No", "Surname", "Born", "Doctor No", "Doctor name", "Service", "Booking", "When"],
        [7, "A", born, "D1", "Dr. X", "ECG", "B1", when],
    ]
    for row in rows:
        workbook.active.append(row)
    workbook.create_sheet("Other").append(["a"])
    path = tmp_path / "table.xlsx"
    workbook.save(path)

    suggestion = suggestion_for(path)

    assert "# doubt: the workbook also has 'Other'" in suggestion
    assert "# doubt: Excel has numbers here: are there identifiers with leading zeros?" in suggestion
    assert "with 2 doubts" in suggestion
    assert records_with(suggestion, path)[0][0] == "urn:hospital:mrn|7"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"one\n1\n",
        b"Hello, world\nthis is prose.\n",
        b'{"a": 1, "b": 2}\n',
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"PK\x03\x04 cut off",
        b"a;b;a\n1;2;3\n",
    ],
)
def test_refuses_what_is_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(UnreadableTableError):
        suggestion_for(path)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("PatientId", ("patient", "id")),
        ("MRN", ("patient", "id")),
        ("DOB", ("patient", "birth_date")),
        ("Fecha_de_nacimiento", ("patient", "birth_date")),
        ("Arztname", ("doctor", "name")),
        ("Physician", ("doctor", "")),
        ("start_time", ("", "scheduled_at")),
        ("Remark", ("", "")),
    ],
)
def test_words_of_header_name_the_field(header: str, field: tuple[str, str]) -> None:
    assert classify(header) == field
