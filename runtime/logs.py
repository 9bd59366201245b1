"""Configures the log of each process: one line per event, to stderr, without personal data.

The text of an exception may quote a row or a request. So the log quotes only the classes in `QUOTED_ERRORS`, and keeps class and
code location of all others. uvicorn's access log is off, because its lines contain the searched names.
"""

import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

#: Errors of this program and its machine. Their texts never quote a client or the database.
QUOTED_ERRORS = (AttributeError, ImportError, NameError, OSError, RuntimeError, TypeError)
MAX_FRAMES = 12


def configure(process: str, *, as_json: bool | None = None, to: TextIO | None = None) -> None:
    """Send all logs of this process to stderr, as JSON unless stderr is a terminal. Each line has the process name in `part`.

    This includes the logs of uvicorn (start it with `log_config=None`) and of Temporal's SDK. It may be called again.
    """
    stream = to or sys.stderr
    json_lines = not stream.isatty() if as_json is None else as_json
    shared_processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_process(process),
        remove_error_text,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared_processors,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _flatten_library_fields, *shared_processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    _redirect_library_loggers()
    _log_uncaught_errors()
    _log_warnings()


def remove_error_text(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace `exc_info` by the classes and code locations of the exceptions."""
    exc_info = line.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info if isinstance(exc_info, BaseException) else exc_info[1] if exc_info else None
    if error is not None:
        line["exception"] = _describe_error(error)
    return line


def _describe_error(error: BaseException) -> str:
    text = f": {error}" if isinstance(error, QUOTED_ERRORS) else ""
    code_locations = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__, limit=-MAX_FRAMES)
    ]
    lines = [f"{type(error).__module__}.{type(error).__qualname__}{text}", *reversed(code_locations)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        lines.append(f"because of {_describe_error(cause)}")
    return "\n  ".join(lines)


def _add_process(process: str) -> Processor:
    def add_field(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        line["part"] = process
        return line

    return add_field


def _flatten_library_fields(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace the objects that libraries add to their lines by their fields."""
    # The same text once more, with codes for colours.
    line.pop("color_message", None)
    core_line = line.pop("temporal_log", None)
    fields = {} if core_line is None else {"target": core_line.target} | core_line.fields
    for name in ("temporal_workflow", "temporal_activity"):
        fields |= line.pop(name, {})
    # A field of the line itself wins.
    return {**{name: str(value) for name, value in fields.items()}, **line}


def _log_uncaught_errors() -> None:
    """Log an error that ends the process, or one of its threads, like any other error: as one line, without personal data."""
    logger = logging.getLogger("uncaught")

    def log_error(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and not issubclass(kind, KeyboardInterrupt):
            logger.critical("uncaught error", exc_info=(kind, error, trace))

    sys.excepthook = log_error
    threading.excepthook = lambda failure: log_error(failure.exc_type, failure.exc_value, failure.exc_traceback)


def _log_warnings() -> None:
    """Log each warning of Python as one line, with its class and place. Its text may quote a row or a request."""
    logger = logging.getLogger("warnings")

    def log_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        logger.warning("%s at %s:%d", category.__qualname__, filename, lineno)

    warnings.showwarning = log_warning


def _redirect_library_loggers() -> None:
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "temporalio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
