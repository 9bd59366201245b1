"""A map of own tables: what it can say, and errors that name the key and teach the fix."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from patient_visit_engine.cli.own_tables.map_file import read_map
from patient_visit_engine.cli.own_tables.map_text import MAX_MAP_BYTES, UnreadableMapError
from patient_visit_engine.cli.own_tables.records import check_constants
from patient_visit_engine.wire.field_types import MAX_IDENTIFIERS

IDS = "identifiers: [{system: s, column: No}]"
PATIENT = f"patient: {{{IDS}, last_name: {{column: Name}}}}"
WHOLE = """\
encoding: cp1252          # CSV only
delimiter: ";"
as_of: {column: Exported, pattern: "%d/%m/%Y %H:%M"}      # optional
patient:
  identifiers: [{system: "urn:hospital:mrn", column: "Patient No"}]
  last_name: {column: Surname}
  first_name: {column: Given name}
  birth_date: {column: Born, pattern: "%d/%m/%Y"}         # no pattern for a date cell of Excel
doctor:
  identifiers: [{system: "urn:hospital:staff", column: Doctor}]
  name: {column: Doctor name}
prestation:
  identifiers: [{system: "urn:hospital:service", column: Service}]
  name: {column: Service}
  exclusive: {value: true}
  expected_minutes: {value: 20}
appointment:
  identifiers: [{system: "urn:hospital:appointment", column: Booking}]
  scheduled_at: {column: When, pattern: "%d/%m/%Y %H:%M"} # hospital time unless the pattern has a zone
"""


def write_map(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    return path


def test_reads_the_documented_map(tmp_path: Path) -> None:
    table_map = read_map(write_map(tmp_path, WHOLE))

    check_constants(table_map, ZoneInfo("UTC"))
    assert list(table_map.sections) == ["patient", "doctor", "prestation", "appointment"]
    assert table_map.columns == (
        *("Patient No", "Surname", "Given name", "Born", "Doctor", "Doctor name", "Service", "Booking", "When"),
        "Exported",
    )
    assert table_map.prestation is not None
    assert table_map.prestation.exclusive is not None
    assert table_map.prestation.exclusive.value is True


def test_plain_words_and_dates_stay_texts(tmp_path: Path) -> None:
    text = "patient: {identifiers: [{system: s, column: No}], last_name: {value: 2026-01-31}, first_name: {value: off}}"

    patient = read_map(write_map(tmp_path, text)).patient

    assert patient is not None
    assert patient.identifiers[0].column == "No"
    assert [source.value for source in patient.sources.values()] == ["2026-01-31", "off"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no keys"),
        ("- a", "has no keys"),
        ("a: [", "line 1: is not YAML"),
        ("sheet: a\nsheet: b", "line 2: the key sheet is there twice"),
        ("sheet: &x 1\nencoding: *x", "line 2: `*` is not supported"),
        (f"{PATIENT}\ndelimiter: ';;'", "delimiter: must be one character"),
        (f"{PATIENT}\nencoding: windows", "encoding: is unknown: for example utf-8, cp1252"),
        (f"{PATIENT}\nencoding: hex", "encoding: is unknown"),
        (f"{PATIENT}\nencoding: 1252", 'encoding: must be text: quote it, as in encoding: "1252"'),
        ("patients: {}", "patients: unknown key: possible are encoding, delimiter, sheet, as_of, patient,"),
        (f"patient: {{{IDS}, surname: {{column: a}}}}", "patient.surname: unknown key: possible are identifiers, last_name"),
        ("patient: {identifiers: [{system: s, column: a, x: 1}]}", "patient.identifiers.0.x: unknown key: possible are system"),
        (f"patient: {{{IDS}, last_name: {{columns: a}}}}", "patient.last_name.columns: unknown key: possible are column"),
        ("patient: {last_name: {column: a}}", "patient.identifiers: is missing"),
        ("patient: {identifiers: [], last_name: {column: a}}", "patient.identifiers: needs 1 to 20"),
        ("patient: {identifiers: [{system: 'a|b', column: c}]}", "patient.identifiers.0.system: must have 1 to 200"),
        ("patient: {identifiers: [{system: s}]}", "patient.identifiers.0: needs `column: NAME`, or `value: CONSTANT`"),
        ("patient: {identifiers: [{system: s, value: ' '}]}", "patient.identifiers.0.value: must have 1 to 200 characters"),
        ("patient: {identifiers: [{system: s, column: ' '}]}", "patient.identifiers.0.column: is empty"),
        (f"patient: {{{IDS}, last_name: {{column: 5}}}}", 'patient.last_name.column: must be text: quote it, as in column: "5"'),
        (f"patient: {{{IDS}, last_name: Surname}}", "patient.last_name: must be like {column: NAME}"),
        (f"patient: {{{IDS}, last_name: {{column: a, value: b}}}}", "patient.last_name: needs either `column: NAME` or"),
        (f"patient: {{{IDS}, last_name: {{value: a, pattern: b}}}}", "`pattern` goes with `column`"),
        (f"patient: {{{IDS}, last_name: {{column: a, pattern: '%Y'}}}}", "only birth_date, scheduled_at and as_of have a pattern"),
        (f"patient: {{{IDS}, birth_date: {{column: a}}}}", "patient: needs last_name or first_name too"),
        (f"patient: {{{IDS}}}", "needs a section with fields"),
        (f"doctor: {{{IDS}, room: {{column: a}}}}", "doctor: needs name too"),
        (f"prestation: {{{IDS}, name: {{column: a}}}}", "prestation: needs exclusive and expected_minutes too"),
        (f"appointment: {{{IDS}}}", "appointment.scheduled_at: is missing"),
        (f"appointment: {{{IDS}, scheduled_at: {{column: a}}}}", "appointment needs the section patient too"),
        (f"{PATIENT}\nas_of: {{column: a, pattern: '%H:%M'}}", "as_of.pattern: needs day (%d), month (%m) and year (%Y)"),
    ],
)  # fmt: skip
def test_error_names_the_key_and_the_fix(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UnreadableMapError) as error:
        read_map(write_map(tmp_path, text))

    assert reason in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'map.yaml'}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "pattern", "reason"),
    [
        ("birth_date", "%d.%m.%y", "%y does not say the century"),
        ("birth_date", "%d.%m", "needs the year"),
        ("birth_date", "%d %Y", "needs the year"),
        ("birth_date", "%d/%m/%Y %d", "has a directive twice"),
        ("scheduled_at", "%d/%m/%Y", "needs the time of day"),
        ("scheduled_at", "%d/%m/%Y %I:%M", "%I needs %p"),
        ("scheduled_at", "%d/%m/%Y %H:%M %Z", "%Z is not supported: use %z"),
        ("scheduled_at", "%x %X", "%X is not supported"),
    ],
)
def test_refuses_patterns_without_meaning(tmp_path: Path, field: str, pattern: str, reason: str) -> None:
    section = "patient" if field == "birth_date" else "appointment"
    text = f"{section}: {{{IDS}, last_name: {{column: a}}, {field}: {{column: b, pattern: '{pattern}'}}}}"

    with pytest.raises(UnreadableMapError, match=rf"{field}\.pattern: {reason}"):
        read_map(write_map(tmp_path, text.replace("last_name: {column: a}, scheduled_at", "scheduled_at")))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("{value: true}", "{value: yes}", "prestation.exclusive.value: must be one of true, false"),
        (
            "{value: 20}",
            "{value: 0}",
            "prestation.expected_minutes.value: must be a whole number of minutes from 1 to 1440",
        ),
        ("{column: Surname}", "{value: ' '}", "patient.last_name.value: is empty"),
    ],
)
def test_checks_constants_once(tmp_path: Path, old: str, new: str, reason: str) -> None:
    table_map = read_map(write_map(tmp_path, WHOLE.replace(old, new)))

    with pytest.raises(UnreadableMapError) as error:
        check_constants(table_map, ZoneInfo("UTC"))

    assert reason in str(error.value)


def test_map_has_limits(tmp_path: Path) -> None:
    identifiers = ", ".join(f"{{system: s{n}, column: c}}" for n in range(MAX_IDENTIFIERS + 1))
    with pytest.raises(UnreadableMapError, match="needs 1 to 20"):
        read_map(write_map(tmp_path, f"patient: {{identifiers: [{identifiers}], last_name: {{column: a}}}}"))
    with pytest.raises(UnreadableMapError, match="is larger than 64 KiB"):
        read_map(write_map(tmp_path, "#" * (MAX_MAP_BYTES + 1)))
    with pytest.raises(UnreadableMapError, match="cannot be read: No such file"):
        read_map(tmp_path / "missing.yaml")
    (tmp_path / "map.yaml").write_bytes(b"sheet: \xe9")
    with pytest.raises(UnreadableMapError, match="is not UTF-8 text"):
        read_map(tmp_path / "map.yaml")
