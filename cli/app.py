"""The program `visit-engine` and its commands by name.

A command's module is imported only when the command runs. So the worker never loads HTTP, and unused commands cost no start-up time.
"""

import os
import sys
from contextlib import suppress
from typing import NoReturn

import typer
from typer.core import TyperGroup

from patient_visit_engine.runtime.importing import import_quickly
from patient_visit_engine.runtime.operator_error import OperatorError

#: For each command, its module and the function (or group of commands) in that module.
COMMANDS = {
    "up": ("patient_visit_engine.cli.supervisor.up", "up"),
    "api": ("patient_visit_engine.cli.api_and_worker", "api"),
    "worker": ("patient_visit_engine.cli.api_and_worker", "worker"),
    "migrate": ("patient_visit_engine.cli.migrate", "migrate"),
    "restored": ("patient_visit_engine.cli.restored", "restored"),
    "user": ("patient_visit_engine.cli.users", "users"),
    "demo": ("patient_visit_engine.cli.demo.command", "demo"),
    "import": ("patient_visit_engine.cli.datasets.import_command", "import_files"),
    "replay": ("patient_visit_engine.cli.replay.command", "replay"),
    "audit": ("patient_visit_engine.cli.audit", "audit"),
}


class LazyCommandGroup(TyperGroup):
    """Imports a command when it runs or when all commands are listed."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str):  # type: ignore[no-untyped-def, override]
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command = getattr(import_quickly(module), attribute)
        if isinstance(command, typer.Typer):
            return typer.main.get_command(command)
        single_command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single_command.command(cmd_name)(command)
        return typer.main.get_command(single_command)


def build_program() -> typer.Typer:
    """The program with all its commands."""
    program = typer.Typer(
        cls=LazyCommandGroup,
        no_args_is_help=True,
        add_completion=False,
        # The pretty traceback prints local variables, and these contain patients.
        pretty_exceptions_enable=False,
    )

    @program.callback()
    def visit_engine() -> None:
        """The patient visit engine. Settings are environment variables `VISIT_...` or lines of a file `.env`."""

    return program


def main() -> NoReturn:
    """Run the command from the command line. An `OperatorError` prints one line and no traceback."""
    try:
        build_program()(prog_name="visit-engine")
    except OperatorError as error:
        print(error, file=sys.stderr)
        _exit_now(error.exit_code)
    except SystemExit as exit_request:
        code = exit_request.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
        _exit_now(code if isinstance(code, int) else 0 if code is None else 1)
    _exit_now(0)


def _exit_now(code: int) -> NoReturn:
    """End the process without Python's normal shutdown.

    A thread of Temporal's client may still be delivering an answer. Python can abort when it shuts down at that moment,
    and then a successful `migrate` would look failed.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
