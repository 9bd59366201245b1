"""The query strings of the calls."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from patient_visit_engine.api.schema.bodies import RequestBody
from patient_visit_engine.api.schema.fields import (
    MAX_PAGE,
    MAX_PAGE_SIZE,
    NUMBERS,
    PAGE_SIZE,
    Day,
    ExactIdentifier,
    PartialDate,
    Status,
    TextId,
    printable,
    whole_number,
)
from patient_visit_engine.wire.person_names import MAX_NAME
from patient_visit_engine.wire.search_words import MAX_SEARCH_WORDS, typed_words


def _statuses(value: Any) -> Any:
    parts = [part for text in value for part in str(text).split(",")] if isinstance(value, list) else value
    return [int(part) if part in map(str, NUMBERS) else part for part in parts]


class QueryString(RequestBody):
    """A query string. An empty parameter counts as not sent."""

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value not in ("", [], [""])}


class WorklistQuery(QueryString):
    identifier: ExactIdentifier | None = None
    date: Day | None = None
    doctor_id: TextId | None = None
    status: Annotated[list[Status], BeforeValidator(_statuses)] = Field(default_factory=list, max_length=20)
    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NAME), AfterValidator(printable)] = ""
    page: Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(whole_number)] = 1
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(whole_number)] = PAGE_SIZE


def _check_words(text: str) -> str:
    if len(typed_words(text)) > MAX_SEARCH_WORDS:
        raise ValueError(f"must have at most {MAX_SEARCH_WORDS} words")
    return text


class RecordsQuery(QueryString):
    """The records that have this identifier, and all these words."""

    identifier: ExactIdentifier | None = None
    q: Annotated[
        str,
        StringConstraints(strip_whitespace=True, max_length=MAX_NAME),
        AfterValidator(printable),
        AfterValidator(_check_words),
    ] = ""
    page: Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(whole_number)] = 1

    @property
    def words(self) -> tuple[str, ...] | None:
        """The words to search for. None: there is no search."""
        return typed_words(self.q) if self.q else None


class AccountsQuery(QueryString):
    page: Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(whole_number)] = 1
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(whole_number)] = PAGE_SIZE


class PatientsQuery(RecordsQuery):
    birth_date: PartialDate | None = None


class DayQuery(QueryString):
    date: Day | None = None


class VisitDayQuery(DayQuery):
    """A day, and the page of its timeline: the newest entries, or those before this position."""

    before: TextId | None = None


class RecordQuery(QueryString):
    """The record that has this identifier."""

    identifier: ExactIdentifier
