"""Each import contract of pyproject.toml rejects the imports that it forbids: the tests add them to the graph of imports.

The linter itself runs twice: on the package, and on a copy of it that breaks every contract.
"""

import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter import Contract
from importlinter.api import read_configuration
from importlinter.application.output import console
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from tests.support.layout import PACKAGE, ROOT

LINTER = Path(sys.executable).with_name("lint-imports")
CONFIGURATION: dict[str, Any] = read_configuration(str(ROOT / "pyproject.toml"))
CONTRACT_TYPES: dict[str, type[Contract]] = {
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}
#: Columns of the linter's reports. A narrow report would break lines within an import.
COLUMNS = 500

#: For each contract: a module, and an import that the contract forbids it. Some of these imports are indirect.
PLANTED = {
    "Each layer imports only the layers below it": [
        ("visit.state", "patient_visit_engine.wire.events"),
        ("wire.field_types", "patient_visit_engine.storage.tables"),
        ("storage.tables.columns", "patient_visit_engine.live.hub"),
        ("storage.database", "patient_visit_engine.runtime.settings"),
        ("activities.ledger", "patient_visit_engine.storage.ledger.recording"),
        ("live.hub", "patient_visit_engine.storage.log_reader"),
        ("live.tailer", "patient_visit_engine.api.problems"),
        ("runtime.logs", "patient_visit_engine.activities.ledger"),
        ("runtime.temporal", "patient_visit_engine.workflows.visit_client"),
        ("workflows.visit_client", "patient_visit_engine.worker.builder"),
        ("worker.builder", "patient_visit_engine.api.problems"),
        ("api.gateway", "patient_visit_engine.worker.builder"),
        ("api.app", "patient_visit_engine.cli.migrate"),
        ("worker.sweep", "patient_visit_engine.cli.migrate"),
        ("temporal_ui.proxy", "patient_visit_engine.cli.migrate"),
        ("worker.sweep", "patient_visit_engine.temporal_ui.rules"),
    ],
    "visit imports only pure modules": [
        ("visit.codes", "asyncio"),
        ("visit.policy", "fastapi"),
        ("visit.starting", "httpx"),
        ("visit.record", "json"),
        ("visit.reception", "logging"),
        ("visit.names", "os"),
        ("visit.codes", "pydantic_settings"),
        ("visit.starting", "random"),
        ("visit.starting", "secrets"),
        ("visit.reception", "socket"),
        ("visit.record", "sqlalchemy"),
        ("visit.refusals", "starlette"),
        ("visit.policy", "structlog"),
        ("visit.policy", "subprocess"),
        ("visit.policy", "temporalio"),
        ("visit.timers", "threading"),
        ("visit.calendar", "time"),
    ],
    "wire imports only pure modules": [
        ("wire.events", "asyncio"),
        ("wire.answers", "fastapi"),
        ("wire.answers", "httpx"),
        ("wire.events", "json"),
        ("wire.events", "logging"),
        ("wire.field_types", "os"),
        ("wire.field_types", "pydantic_settings"),
        ("wire.field_types", "random"),
        ("wire.field_types", "secrets"),
        ("wire.field_types", "socket"),
        ("wire.timeline", "sqlalchemy"),
        ("wire.answers", "starlette"),
        ("wire.answers", "structlog"),
        ("wire.answers", "subprocess"),
        ("wire.events", "temporalio"),
        ("wire.events", "threading"),
        ("wire.timeline", "time"),
        ("wire.timeline", "uuid"),
    ],
    "workflows import only asyncio, Temporal and pure modules": [
        ("workflows.patient_visit", "patient_visit_engine.runtime.settings"),
        ("workflows.visit_client", "patient_visit_engine.storage.requests"),
        ("workflows.visit_client", "patient_visit_engine.live.hub"),
        # Indirect.
        ("visit.policy", "patient_visit_engine.storage.database"),
        ("workflows.visit_client", "aiohttp"),
        ("workflows.visit_client", "aiosqlite"),
        ("workflows.visit_client", "asyncpg"),
        ("workflows.patient_visit", "fastapi"),
        ("workflows.visit_client", "grpc"),
        ("workflows.patient_visit", "http"),
        ("workflows.patient_visit", "httpx"),
        ("workflows.visit_client", "logging"),
        ("workflows.visit_client", "os"),
        ("workflows.visit_client", "psycopg"),
        ("workflows.visit_client", "pydantic_settings"),
        ("workflows.patient_visit", "random"),
        ("workflows.visit_client", "requests"),
        ("workflows.patient_visit", "secrets"),
        ("workflows.patient_visit", "socket"),
        ("workflows.visit_client", "sqlalchemy"),
        ("workflows.visit_client", "starlette"),
        ("workflows.visit_client", "structlog"),
        ("workflows.visit_client", "subprocess"),
        ("workflows.patient_visit", "sys"),
        ("workflows.patient_visit", "tempfile"),
        ("workflows.visit_client", "threading"),
        ("workflows.patient_visit", "time"),
        ("workflows.patient_visit", "urllib"),
        ("workflows.patient_visit", "uuid"),
    ],
    "activities import only asyncio, Temporal and pure modules": [
        ("activities.ledger", "patient_visit_engine.storage.ledger.recording"),
        # Indirect.
        ("visit.record", "patient_visit_engine.storage.database"),
        ("activities.ledger", "aiohttp"),
        ("activities.ledger", "aiosqlite"),
        ("activities.ledger", "grpc"),
        ("activities.ledger", "http"),
        ("activities.ledger", "httpx"),
        ("activities.ledger", "psycopg"),
        ("activities.ledger", "requests"),
        ("activities.ledger", "sqlalchemy"),
        ("activities.ledger", "sqlite3"),
        ("activities.ledger", "starlette"),
        ("activities.ledger", "structlog"),
        ("activities.ledger", "tempfile"),
    ],
    "storage imports no Temporal": [
        ("storage.requests", "temporalio"),
        # Indirect.
        ("wire.answers", "grpc"),
    ],
    "live imports nothing of ours": [
        ("live.hub", "patient_visit_engine.visit.calendar"),
        ("live.frames", "patient_visit_engine.wire.events"),
        ("live.catch_up", "patient_visit_engine.storage.log_reader"),
        ("live.tailer", "patient_visit_engine.runtime.settings"),
        ("live.subscriber", "patient_visit_engine.api.problems"),
    ],
    "live imports only a short list of modules": [
        ("live.catch_up", "aiohttp"),
        ("live.catch_up", "aiosqlite"),
        ("live.refusals", "fastapi"),
        ("live.hub", "grpc"),
        ("live.frames", "http"),
        ("live.hub", "httpx"),
        ("live.frames", "os"),
        ("live.catch_up", "psycopg"),
        ("live.hub", "requests"),
        ("live.hub", "socket"),
        ("live.catch_up", "sqlalchemy"),
        ("live.hub", "sse_starlette"),
        ("live.subscriber", "starlette"),
        ("live.tailer", "structlog"),
        ("live.tailer", "tempfile"),
        ("live.tailer", "temporalio"),
    ],
    "runtime imports nothing of ours but visit": [
        ("runtime.settings", "patient_visit_engine.wire.field_types"),
        ("runtime.settings", "patient_visit_engine.storage.database"),
        ("runtime.logs", "patient_visit_engine.live.hub"),
        ("runtime.namespace", "patient_visit_engine.workflows.visit_client"),
        # Indirect.
        ("visit.names", "patient_visit_engine.activities.ledger"),
    ],
    "Only the worker imports the ledger": [
        ("api.commands.dispatcher", "patient_visit_engine.storage.ledger.recording"),
        ("cli.audit", "patient_visit_engine.storage.ledger.changes"),
        ("workflows.visit_client", "patient_visit_engine.storage.ledger.recording"),
        ("activities.ledger", "patient_visit_engine.storage.ledger.recording"),
        ("live.hub", "patient_visit_engine.storage.ledger.changes"),
        ("runtime.temporal", "patient_visit_engine.storage.ledger.recording"),
        ("wire.answers", "patient_visit_engine.storage.ledger.changes"),
        ("visit.policy", "patient_visit_engine.storage.ledger.changes"),
        # Indirect.
        ("storage.requests", "patient_visit_engine.storage.ledger.changes"),
    ],
    "Only the command path and the worker import the workflows": [
        ("api.routes.consultations", "patient_visit_engine.workflows.visit_client"),
        ("api.dependencies", "patient_visit_engine.workflows.visit_client"),
        ("api.stream.presence", "patient_visit_engine.workflows.visit_client"),
        ("cli.audit", "patient_visit_engine.workflows.patient_visit"),
        ("storage.requests", "patient_visit_engine.workflows.visit_client"),
    ],
    "Routes do not import each other": [
        ("api.routes.patients", "patient_visit_engine.api.routes.appointments"),
        # Indirect.
        ("api.problems", "patient_visit_engine.api.routes.session"),
    ],
    "storage, worker and cli import no web framework": [
        ("storage.screens.board", "aiohttp"),
        ("storage.screens.board", "cherrypy"),
        ("storage.screens.board", "django"),
        ("storage.ledger.recording", "fastapi"),
        ("storage.ledger.recording", "starlette"),
        ("storage.log_reader", "sse_starlette"),
        ("worker.builder", "bottle"),
        ("worker.builder", "flask"),
        ("worker.builder", "litestar"),
        ("worker.polling", "pyramid"),
        ("worker.polling", "tornado"),
        ("worker.__main__", "uvicorn"),
        ("cli.users", "falcon"),
        ("cli.users", "quart"),
        ("cli.users", "werkzeug"),
        ("cli.app", "hypercorn"),
        # Indirect.
        ("runtime.settings", "gunicorn"),
        ("wire.answers", "sanic"),
    ],
    "temporal_ui imports nothing of ours but settings and logs": [
        ("temporal_ui.proxy", "patient_visit_engine.storage.database"),
        ("temporal_ui.proxy", "patient_visit_engine.wire.problems"),
        ("temporal_ui.rules", "temporalio"),
    ],
    "cli does not import the API or the proxy of Temporal's UI": [
        ("cli.supervisor.up", "patient_visit_engine.temporal_ui.proxy"),
        ("cli.users", "patient_visit_engine.api.access.sessions"),
        ("cli.supervisor.up", "patient_visit_engine.api.app"),
    ],
    "cli.app imports no command": [
        ("cli.app", "patient_visit_engine.cli.supervisor.up"),
        ("cli.app", "patient_visit_engine.cli.migrate"),
        ("cli.app", "patient_visit_engine.storage.migrations"),
        ("cli.app", "alembic"),
        ("cli.app", "httpx"),
        ("cli.app", "sqlalchemy"),
        # Indirect.
        ("runtime.operator_error", "temporalio"),
    ],
}


def _build_contract(name: str) -> Contract:
    [options] = [options for options in CONFIGURATION["contracts_options"] if options["name"] == name]
    return CONTRACT_TYPES[options["type"]](name, CONFIGURATION["session_options"], options)


def _contract_names() -> list[str]:
    return [options["name"] for options in CONFIGURATION["contracts_options"]]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """All imports of the package."""
    return grimp.build_graph("patient_visit_engine", include_external_packages=True, cache_dir=None)


def _graph_with(graph: grimp.ImportGraph, module: str, imported: str) -> grimp.ImportGraph:
    """A copy of the graph with one import added."""
    planted = deepcopy(graph)
    # The graph accepts a misspelled module of ours, and its import would prove nothing.
    assert module in planted.modules
    if imported not in planted.modules:
        assert not imported.startswith("patient_visit_engine."), imported
        planted.add_module(imported, is_squashed=True)
    planted.add_import(importer=module, imported=imported, line_number=1, line_contents=f"import {imported}")
    return planted


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter as `make lint` does. It imports the package from the folder that it runs in."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(LINTER), "--no-logo", "--no-cache"]
    wide = environment | {"COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True, check=False)


def _plant(folder: Path, imports: list[tuple[str, str]]) -> None:
    """Copy the package and pyproject.toml into the folder, and add the imports at the end of their modules."""
    ignored = shutil.ignore_patterns("built_page", "__pycache__")
    shutil.copytree(PACKAGE, folder / "patient_visit_engine", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for module, imported in imports:
        path = folder / "patient_visit_engine" / f"{module.replace('.', '/')}.py"
        path.write_text(f"{path.read_text()}\nimport {imported}\n")


def test_package_keeps_every_contract(tmp_path: Path) -> None:
    _plant(tmp_path, [])

    linted = _lint(tmp_path)

    assert linted.returncode == 0, linted.stdout
    assert f"Contracts: {len(_contract_names())} kept, 0 broken." in linted.stdout


def test_linter_reports_every_broken_contract(tmp_path: Path) -> None:
    imports = [planted[0] for planted in PLANTED.values()]
    _plant(tmp_path, imports)

    linted = _lint(tmp_path)

    assert linted.returncode == 1
    assert f"Contracts: 0 kept, {len(_contract_names())} broken." in linted.stdout
    for contract, (module, imported) in zip(PLANTED, imports, strict=True):
        assert f"{contract} BROKEN" in linted.stdout
        assert f"patient_visit_engine.{module} -> {imported} (" in linted.stdout


def test_every_contract_has_planted_imports() -> None:
    assert sorted(PLANTED) == sorted(_contract_names())
    assert all(PLANTED.values())


@pytest.mark.parametrize("name", PLANTED)
def test_contract_rejects_planted_imports(name: str, graph: grimp.ImportGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", COLUMNS)
    contract = _build_contract(name)
    assert contract.check(deepcopy(graph), verbose=False).kept

    for module, imported in PLANTED[name]:
        importer = f"patient_visit_engine.{module}"
        check = contract.check(_graph_with(graph, importer, imported), verbose=False)

        assert not check.kept, (module, imported)
        with console.capture() as report:
            contract.render_broken_contract(check)
        assert f"{importer} -> {imported} (" in report.get()
