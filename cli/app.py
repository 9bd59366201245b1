"""The program `visit-engine`: its commands by name; it must not import one before it is asked for.

So the worker's process never loads HTTP, and a command that is not used costs no start-up time.
"""

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import typer
from typer.core import TyperGroup

from patient_visit_engine.runtime.operator_error import OperatorError

#: Each command's module and the function, or group of commands, in it.
COMMANDS = {
    "up": ("patient_visit_engine.cli.supervisor.up", "up"),
    "api": ("patient_visit_engine.cli.processes", "api"),
    "worker": ("patient_visit_engine.cli.processes", "worker"),
    "migrate": ("patient_visit_engine.cli.migrate", "migrate"),
    "restored": ("patient_visit_engine.cli.restored", "restored"),
    "user": ("patient_visit_engine.cli.users", "users"),
    "demo": ("patient_visit_engine.cli.demo.command", "demo"),
    "import": ("patient_visit_engine.cli.datasets.import_command", "import_files"),
    "replay": ("patient_visit_engine.cli.replay.command", "replay"),
    "audit": ("patient_visit_engine.cli.audit", "audit"),
}


class Commands(TyperGroup):
    """Loads a command when it is run, or when all are listed."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str):  # type: ignore[no-untyped-def, override]
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(cmd_name)(found)
        return typer.main.get_command(alone)


def build() -> typer.Typer:
    """The program with all its commands."""
    program = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        add_completion=False,
        # The pretty form prints local variables: patients.
        pretty_exceptions_enable=False,
    )

    @program.callback()
    def visit_engine() -> None:
        """The patient visit engine. Settings are environment variables `VISIT_...`, or lines of a file `.env`."""

    return program


def main() -> NoReturn:
    """Run the command that was asked for; what the operator can set right is one line, without a traceback."""
    try:
        build()(prog_name="visit-engine")
    except OperatorError as wrong:
        print(wrong, file=sys.stderr)
        _leave(wrong.exit_code)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        _leave(ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """End at once, without taking the interpreter apart.

    A thread of Temporal's client may just be handing over the last answer; a Python that ends in that moment aborts, and a
    `migrate` that did all it should would look failed.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
