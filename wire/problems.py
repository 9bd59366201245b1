"""The body of an error, in the format of RFC 9457."""

from typing import Any, cast

from patient_visit_engine.wire.shapes import Problem


def problem_body(status: int, code: str, title: str, detail: str | None = None, **members: Any) -> Problem:
    """The body with its stable `code`, by which clients tell errors apart. `members` are added as they are."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail or title, "code": code}
    return cast(Problem, body | members)
