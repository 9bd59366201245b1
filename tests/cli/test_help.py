"""`visit-engine --help`: every command says what it does, and every argument and option what it means."""

import pytest
import typer
import typer.main

from patient_visit_engine.cli.app import COMMANDS, build
from tests.support.up import UpEnvironment

PROGRAM = typer.main.get_command(build())


def described(name: str) -> list[tuple[str, object]]:
    context = PROGRAM.make_context("visit-engine", [name], resilient_parsing=True)
    command = PROGRAM.get_command(context, name)
    nested = getattr(command, "commands", {})
    return [(name, command), *((f"{name} {inner}", found) for inner, found in nested.items())]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    for path, command in described(name):
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{path} {parameter.name}"


def test_the_program_lists_its_commands(surroundings: UpEnvironment) -> None:
    told = surroundings.run("--help", COLUMNS="200")

    assert told.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in told.stdout] == []


def test_a_command_that_does_not_exist_is_refused(surroundings: UpEnvironment) -> None:
    told = surroundings.run("downn")

    assert told.returncode == 2
    assert "downn" in told.stderr
