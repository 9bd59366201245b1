"""An identifier of another system as one text, `system|value`."""

SEPARATOR = "|"


def join_identifier(system: str, value: str) -> str:
    """The text of the identifier."""
    return f"{system}{SEPARATOR}{value}"


def split_identifier(text: str) -> tuple[str, str] | None:
    """System and value, or None without a separator. The first one ends the system, so a value can contain others."""
    system, separator, value = text.partition(SEPARATOR)
    return (system, value) if separator else None
