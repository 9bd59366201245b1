"""The commands that are one part of the system each, for production; they must not know how a part works."""

from importlib import import_module

from patient_visit_engine.runtime import logs, temporal
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings, load
from patient_visit_engine.storage.migrations import UnknownSchemaError


def api() -> None:
    """Answer HTTP: the page, the calls and the event stream. Run as many as wanted; SIGTERM drains one."""
    settings = load()
    logs.configure("api")
    _run("patient_visit_engine.api.app", settings)


def worker() -> None:
    """Decide and record: carry out the visits. Run as many as wanted; SIGTERM drains one."""
    settings = load()
    logs.configure("worker")
    _run("patient_visit_engine.worker.__main__", settings)


def _run(module: str, settings: Settings) -> None:
    try:
        import_module(module).run(settings)
    except UnknownSchemaError as unfit:
        raise OperatorError(f"VISIT_DATABASE_URL: {unfit}") from None
    except temporal.UnreachableError as away:
        raise OperatorError(f"VISIT_TEMPORAL_ADDRESS: {away}") from None
