"""Folding for the search: what people leave out or type in another form finds the same names."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patient_visit_engine.wire.search_words import MAX_WORD, fold, matches, name_words, patient_words, typed_words


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("benedicte", "BÉNÉDICTE"),
        ("BÉNÉ", "bénédicte"),
        ("strasse", "Straße"),
        ("STRASSE", "straße"),
        ("fiona", "\ufb01ona"),
        ("isik", "I\u015f\u0131k"),
        ("IŞIK", "I\u015f\u0131k"),
        ("ibrahim", "İbrahim"),
        ("dorde", "Đorđe"),
        ("lukasz", "Łukasz"),
        ("soren aero", "Søren Ærø"),
        ("oeuvre", "Œuvre"),
        ("παπαδοπουλος", "ΠΑΠΑΔΌΠΟΥΛΟΣ"),
        ("nguyen", "Nguyễn"),
        ("doe, john", "John Doe"),
        ("john doe", "Doe, John"),
        ("jean-pierre", "Jean Pierre"),
        ("pierre jean", "Jean-Pierre"),
        ("angelo", "D'Angelo"),
        ("d angelo", "D\u2019Angelo"),
        # Arabic: with and without vowel signs, tatweel, and hamza on alef.
        ("\u0645\u062d\u0645\u062f", "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f"),
        ("\u0645\u062d\u0645\u062f", "\u0645\u062d\u0640\u0640\u0645\u062f"),
        ("\u0627\u062d\u0645\u062f \u0627\u0645\u0646\u0647", "\u0623\u062d\u0645\u062f \u0622\u0645\u0646\u0629"),
        # A joiner and a soft hyphen inside a name.
        ("\u0646\u0627\u0635\u0631\u06cc", "\u0646\u0627\u0635\u0631\u200c\u06cc"),
        ("leveque", "Leve\u00adque"),
        # Rare Chinese characters: of a newer Unicode, and private.
        ("\U00031350\u4f1f", "\U00031350\u4f1f"),
        ("\ue000", "\ue000\u4f1f"),
    ],
)
def test_finds_name_in_another_form(typed: str, name: str) -> None:
    assert matches(typed_words(typed), name_words(name))


@pytest.mark.parametrize("apostrophe", "'\u2019\u2018\u02bc`\u00b4\u2032\uff07")
@pytest.mark.parametrize(
    "typed", ["o'grady", "o\u2019grady", "o\u02bcgrady", "o`grady", "o\u00b4grady", "ogrady", "grady"]
)
def test_apostrophes_are_one_letter(apostrophe: str, typed: str) -> None:
    assert matches(typed_words(typed), name_words(f"O{apostrophe}Grady"))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ohn", "John"),
        ("john roe", "John Doe"),
        ("\U00031351\u4f1f", "\U00031350\u4f1f"),
        # Vowel signs of India are part of a name. They are no accents.
        ("\u0930\u0935\u0940", "\u0930\u0935\u093f"),
        ("\u0e01\u0e34", "\u0e01\u0e35"),
    ],
)
def test_does_not_find_other_names(typed: str, name: str) -> None:
    assert not matches(typed_words(typed), name_words(name))


@pytest.mark.parametrize(
    "typed", ["1980", "1980-02", "1980-02-03", "maria 1980-02", "mrn-0012", "mrn0012", "MRN 0012", "0012"]
)
def test_finds_birth_date_and_record_number(typed: str) -> None:
    words = patient_words("Maria", None, "1980-02-03", "MRN-0012")

    assert matches(typed_words(typed), words)
    assert not matches(typed_words(typed), patient_words("Maria", None, "1981", "12"))


@pytest.mark.parametrize("typed", ["%", "_", "\\", "--", "", "\ufdd0\uffff\U0010ffff"])
def test_signs_are_no_words(typed: str) -> None:
    assert typed_words(typed) == ()


@given(st.text(max_size=200))
def test_every_name_finds_itself_in_each_normal_form(name: str) -> None:
    words = name_words(name)

    assert all(0 < len(word) <= MAX_WORD for word in words)
    assert matches(typed_words(unicodedata.normalize("NFC", name)), words)
    assert matches(typed_words(unicodedata.normalize("NFD", name)), words)


@given(st.text(max_size=50))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
