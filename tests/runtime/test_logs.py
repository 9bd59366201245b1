"""The logs: every library logs in the same format, one line per event, and no line contains a patient."""

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.runtime import logs


@pytest.fixture(autouse=True)
def restore_loggers() -> Iterator[None]:
    """Give pytest its loggers back after each test."""
    root = logging.getLogger()
    handlers, level, access = root.handlers[:], root.level, logging.getLogger("uvicorn.access").disabled

    yield

    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = access
    structlog.reset_defaults()


@pytest.mark.parametrize("name", ["uvicorn.error", "temporalio.worker", "visit"])
def test_all_loggers_write_same_json_lines(name: str) -> None:
    stream = io.StringIO()
    logs.configure("api", as_json=True, to=stream)

    structlog.get_logger(name).info("stream opened", position=7)
    logging.getLogger(name).warning("closed after %d s", 3)

    structlog_line, logging_line = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (structlog_line["event"], structlog_line["position"], structlog_line["level"], structlog_line["part"]) == (
        "stream opened",
        7,
        "info",
        "api",
    )
    assert (logging_line["event"], logging_line["level"], logging_line["part"], logging_line["logger"]) == (
        "closed after 3 s",
        "warning",
        "api",
        name,
    )


def test_warning_is_one_json_line_without_its_text() -> None:
    stream = io.StringIO()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("worker", as_json=True, to=stream)
        warnings.warn("of John Doe", UserWarning, stacklevel=1)

    [line] = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["level"], line["part"]) == ("warning", "worker")
    assert line["event"].startswith(f"UserWarning at {__file__}:")
    assert "John" not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_error_quoting_row_is_logged_without_text(as_json: bool) -> None:
    stream = io.StringIO()
    logs.configure("api", as_json=as_json, to=stream)

    try:
        try:
            raise ValueError("John Doe")
        except ValueError as cause:
            raise IntegrityError("INSERT", {"last_name": "Doe"}, Exception("Doe")) from cause
    except IntegrityError:
        structlog.get_logger().exception("not recorded")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")

    assert stream.getvalue().count("IntegrityError") == 2
    assert stream.getvalue().count("ValueError") == 2
    assert "test_logs.py" in stream.getvalue()
    assert "Doe" not in stream.getvalue()


def test_machine_error_keeps_its_text() -> None:
    stream = io.StringIO()
    logs.configure("api", as_json=True, to=stream)

    try:
        raise ConnectionRefusedError("port 7233")
    except ConnectionRefusedError:
        structlog.get_logger().exception("no Temporal")

    assert "port 7233" in json.loads(stream.getvalue())["exception"]


def test_access_log_is_off() -> None:
    stream = io.StringIO()
    logs.configure("api", as_json=True, to=stream)

    logging.getLogger("uvicorn.access").info('%s - "GET %s"', "127.0.0.1", "/api/appointments?q=Doe")

    assert stream.getvalue() == ""
