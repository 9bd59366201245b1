"""The base of the values that Temporal stores, and what their JSON leaves out."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

#: The value of a time that a history of an older program does not have.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def is_false(value: bool) -> bool:
    """Whether a field is left out of the JSON, because false is its default."""
    return not value


def is_zero(value: int) -> bool:
    """Whether a number is left out of the JSON, because zero is its default."""
    return value == 0


def is_empty(value: tuple[object, ...]) -> bool:
    """Whether a list is left out of the JSON, because an empty one is its default."""
    return not value


def is_absent(value: object) -> bool:
    """Whether a field is left out of the text of its model. Each decision has these models in its history, and merges are rare."""
    return value is None


class Frozen(BaseModel):
    """An immutable value that Temporal stores.

    New fields need defaults, and no stored field is renamed, because Temporal must be able to replay old histories.
    """

    model_config = ConfigDict(frozen=True)
