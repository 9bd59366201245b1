"""`visit-engine --help`: every command, argument and option has a description."""

from typing import Any

import pytest
import typer
import typer.main

from patient_visit_engine.cli.app import COMMANDS, build_program
from tests.support.up import UpEnvironment

PROGRAM: Any = typer.main.get_command(build_program())


def with_subcommands(name: str) -> list[tuple[str, Any]]:
    context = PROGRAM.make_context("visit-engine", [name], resilient_parsing=True)
    command = PROGRAM.get_command(context, name)
    subcommands = getattr(command, "commands", {})
    return [(name, command), *((f"{name} {inner}", subcommand) for inner, subcommand in subcommands.items())]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    for path, command in with_subcommands(name):
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{path} {parameter.name}"


def test_program_lists_its_commands(up_environment: UpEnvironment) -> None:
    result = up_environment.run_installed("--help", COLUMNS="200")

    assert result.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in result.stdout] == []


def test_refuses_unknown_command(up_environment: UpEnvironment) -> None:
    result = up_environment.run_installed("downn")

    assert result.returncode == 2
    assert "downn" in result.stderr
