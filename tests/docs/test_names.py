"""Commands, make targets, paths, modules and links in the pages exist; every command and target is documented."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main

from patient_visit_engine.cli.app import COMMANDS, build_program
from tests.support.pages import DOCS, PACKAGES, PAGES, README, ROOT, anchors, code_of, commands, links, rows, spans

PROGRAM: Any = typer.main.get_command(build_program())
COMMAND_LINE = re.compile(r"visit-engine ([a-z]+)((?: [a-z]+)?)([^`|&;]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
MAKE = re.compile(r"\bmake ([a-z]+(?:-[a-z]+)*)\b")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
DOTTED = re.compile(r"([a-z_]+)((?:\.[A-Za-z_]+)+)(\(\))?")
#: Options in the pages that belong to another program.
OPTIONS_OF_TEMPORAL = {"--address"}
#: Folders that the program or make creates.
GENERATED = ("data/", ".venv/", "web/stream/dist/")


def options_of_commands() -> dict[str, set[str]]:
    """The options of each command; a nested command such as `user add` counts as one command."""
    options: dict[str, set[str]] = {}
    for name in COMMANDS:
        command = PROGRAM.get_command(PROGRAM.make_context("visit-engine", [name], resilient_parsing=True), name)
        nested = {f"{name} {inner}": subcommand for inner, subcommand in getattr(command, "commands", {}).items()}
        for path, subcommand in {name: command, **nested}.items():
            options[path] = {"--help", *(option for parameter in subcommand.params for option in parameter.opts)}
    return options


OPTIONS = options_of_commands()


def command_lines(page: Path) -> list[tuple[str, set[str]]]:
    """The commands of the program in a page, each with its options there."""
    lines = []
    for text in commands(page):
        for match in COMMAND_LINE.finditer(text):
            nested = f"{match[1]}{match[2]}"
            lines.append((nested if nested in OPTIONS else match[1], set(OPTION.findall(match[0]))))
    return lines


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_commands_named_by_page_exist(page: Path) -> None:
    wrong = [(name, options) for name, options in command_lines(page) if not options <= OPTIONS.get(name, set())]

    assert wrong == []


def test_every_command_is_documented() -> None:
    named = {name for page in PAGES for name, _ in command_lines(page)}

    assert set(OPTIONS) - named - {"user"} == set()


def test_options_named_by_page_exist(page: Path) -> None:
    existing = OPTIONS_OF_TEMPORAL.union(*OPTIONS.values())
    named = {option for span in spans(page) if span.startswith("--") for option in OPTION.findall(span)}

    assert named <= existing


def test_make_targets_named_by_page_exist(page: Path) -> None:
    assert {target for text in commands(page) for target in MAKE.findall(text)} <= make_targets()


def test_every_make_target_is_documented() -> None:
    named = set(MAKE.findall((ROOT / "CONTRIBUTING.md").read_text()))

    assert make_targets() - named == set()


def test_paths_named_by_page_exist(page: Path) -> None:
    tops = {path.name for path in ROOT.iterdir()}
    named = [span for span in spans(page) if PATH.fullmatch(span)]
    paths = [path for path in named if path.partition("/")[0] in tops or path.endswith((".py", ".md", ".toml"))]

    assert [path for path in paths if not f"{path}/".startswith(GENERATED) and not (ROOT / path).exists()] == []


def test_modules_named_by_page_exist(page: Path) -> None:
    wrong = []
    for span in spans(page):
        dotted = span.removesuffix("()").removeprefix("patient_visit_engine.")
        match = DOTTED.fullmatch(dotted)
        if match and match[1] in PACKAGES and not (ROOT / dotted).exists() and not module_or_name_exists(dotted):
            wrong.append(span)

    assert wrong == []


def module_or_name_exists(dotted: str) -> bool:
    """Whether `visit.policy` or `visit.policy.decide`, written short, exists in `patient_visit_engine`."""
    full = f"patient_visit_engine.{dotted}"
    try:
        import_module(full)
    except ModuleNotFoundError:
        module, _, name = full.rpartition(".")
        try:
            return hasattr(import_module(module), name)
        except ModuleNotFoundError:
            return False
    return True


def test_short_module_names_are_resolved() -> None:
    assert module_or_name_exists("visit.policy.decide")
    assert not module_or_name_exists("visit.policy.undecided")
    assert not module_or_name_exists("visit.nothing.here")


@pytest.mark.parametrize("path", [README, DOCS / "architecture.md"], ids=["README.md", "architecture.md"])
def test_functions_on_path_of_start_exist(path: Path) -> None:
    steps = [*rows(path, "process", "file", "function"), *rows(path, "file", "function")]
    missing = []
    for *_, file, function, _what_it_does in steps:
        link = re.search(r"\]\((.+?)\)", file)
        source = (path.parent / link[1]).read_text() if link else ""
        name = code_of(function)
        if not re.search(rf"^\s*(?:(?:async|private|export|def|function) )*{name}(?:<\w+>)?\(", source, re.MULTILINE):
            missing.append(f"{file}: {name}")

    assert steps
    assert missing == []


def test_links_of_page_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)

    assert broken == []


def test_readme_leads_to_every_page() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        linked = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
        waiting += [path for path in linked if path.suffix == ".md" and path.exists()]

    assert [page.name for page in PAGES if page not in reached] == []
