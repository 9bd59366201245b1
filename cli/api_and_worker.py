"""The commands `api` and `worker`: one process of the engine each, for production."""

from patient_visit_engine.runtime import logs, temporal
from patient_visit_engine.runtime.importing import import_quickly
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.storage.schema_version import UnknownSchemaError


def api() -> None:
    """Serve HTTP: the page, the calls and the event stream. Run as many as you need; SIGTERM stops one after its work in progress."""
    logs.configure("api")
    settings = load_settings()
    _run_module("patient_visit_engine.api.__main__", settings)


def worker() -> None:
    """Carry out the visits: decide and record. Run as many as you need; SIGTERM stops one after its work in progress."""
    logs.configure("worker")
    settings = load_settings()
    _run_module("patient_visit_engine.worker.__main__", settings)


def _run_module(name: str, settings: Settings) -> None:
    try:
        import_quickly(name).run(settings)
    except UnknownSchemaError as error:
        raise OperatorError(f"VISIT_DATABASE_URL: {error}") from None
    except temporal.UnreachableError as error:
        raise OperatorError(f"VISIT_TEMPORAL_ADDRESS: {error}") from None
