"""How every process writes its log: one line an event, to stderr; it must not know what is logged, and prints nobody's words.

An exception's own text may quote a row or a request, so only the classes in `SPEAKS` are quoted; of all others the log keeps
class and place. uvicorn's access log is left out: a search for a name is part of its lines.
"""

import logging
import sys
import traceback
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

#: What is raised by this program and its machine, and never quotes what a client or the database said.
SPEAKS = (AttributeError, ImportError, NameError, OSError, RuntimeError, TypeError)
FRAMES = 12


def configure(part: str, *, as_json: bool | None = None, to: TextIO | None = None) -> None:
    """Send the logs of this process to stderr, as JSON unless that is a terminal; each line names the `part`.

    Everything that logs goes the same way, uvicorn (give it `log_config=None`) and Temporal's SDK too. May be called again.
    """
    stream = to or sys.stderr
    structured = not stream.isatty() if as_json is None else as_json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(part),
        without_words,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = structlog.processors.JSONRenderer() if structured else structlog.dev.ConsoleRenderer()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    _take_over()


def without_words(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace `exc_info` by the exceptions' classes and places."""
    found = line.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found if isinstance(found, BaseException) else found[1] if found else None
    if error is not None:
        line["exception"] = _told(error)
    return line


def _told(error: BaseException) -> str:
    words = f": {error}" if isinstance(error, SPEAKS) else ""
    places = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__, limit=-FRAMES)
    ]
    lines = [f"{type(error).__module__}.{type(error).__qualname__}{words}", *reversed(places)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        lines.append(f"because of {_told(cause)}")
    return "\n  ".join(lines)


def _named(part: str) -> Processor:
    def name(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        line["part"] = part
        return line

    return name


def _take_over() -> None:
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "temporalio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
