"""The rules for names and birth dates: what is refused, and how a full name is built."""

import pytest

from patient_visit_engine.wire.patient_identity import PatientIdentity
from patient_visit_engine.wire.person_names import MAX_NAME, check_name, check_partial_date, composed, full_name

FAMILY_EMOJI = "\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    "name",
    [
        "Suharto",
        "O\u2019Grady",
        "\u0646\u0627\u0635\u0631\u200c\u06cc",
        "\u0915\u094d\u200d\u0937",
        FAMILY_EMOJI,
        "山田",
        # Rare Chinese characters: of a newer Unicode, and private.
        "\U00031350",
        "\ue000",
    ],
)
def test_accepts_names_of_people(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "\u200b",
        "\u200c\u200d",
        "\ufeff",
        "\u00ad",
        "\u115f\u1160",
        "\u3164",
        "\uffa0",
        "\u2800",
        "\u0301",
        "\ufe0f",
        "\U000e0041",
        "\u3000",
        "\u2065",
        "\U000e0fff",
        "\ufdd0\uffff\U0010ffff",
        "\U00013441\U00013442",
        " \u00a0\u200b ",
    ],
)
def test_refuses_name_without_visible_character(name: str) -> None:
    with pytest.raises(ValueError, match="visible"):
        check_name(name)


@pytest.mark.parametrize("code_point", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_refuses_change_of_text_direction(code_point: int) -> None:
    with pytest.raises(ValueError, match="direction"):
        check_name(f"Ann{chr(code_point)}htimS")


def test_limits_composed_form_of_name() -> None:
    longer_when_composed = "\u0958" * MAX_NAME

    with pytest.raises(ValueError, match="200 characters"):
        check_name(composed(longer_when_composed))


@pytest.mark.parametrize(
    ("first_name", "last_name", "expected"),
    [("John", "Doe", "John Doe"), (None, "Suharto", "Suharto"), ("Madonna", None, "Madonna"), ("", "Doe", "Doe")],
)
def test_joins_given_names_by_one_space(first_name: str | None, last_name: str | None, expected: str) -> None:
    assert full_name(first_name, last_name) == expected


@pytest.mark.parametrize("text", ["1980", "1980-02", "1980-02-29", "1800", "2200-12-31"])
def test_accepts_dates_as_far_as_known(text: str) -> None:
    assert check_partial_date(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80",
        "1799",
        "2201",
        "1980-13",
        "1980-00",
        "1980-2",
        "1981-02-29",
        "1980-02-30",
        "1980-02-03T00",
        "\uff11980",
        "1980\n",
    ],
)
def test_refuses_dates_that_do_not_exist(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_partial_date(text)


@pytest.mark.parametrize(
    ("first_name", "last_name", "shown", "family_name"),
    [
        ("Maria", "Silva Santos", "Maria Silva Santos", "Silva Santos"),
        ("Zoë", None, "Zoë", None),
        ("Zoë", "", "Zoë", None),
        (None, "Byron", "Byron", "Byron"),
    ],
)
def test_shown_name_ends_with_family_name(
    first_name: str | None, last_name: str | None, shown: str, family_name: str | None
) -> None:
    identity = PatientIdentity(first_name, last_name, None, None)

    assert (identity.name, identity.next_to_name()["family_name"]) == (shown, family_name)
