"""Every command, make target, path, module and link that a page names exists, and every command and target is documented."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import typer.main

from patient_visit_engine.cli.app import COMMANDS, build
from tests.support.pages import PAGES, ROOT, anchors, commands, links, spans

PROGRAM: Any = typer.main.get_command(build())
CALLED = re.compile(r"visit-engine ([a-z]+)((?: [a-z]+)?)([^`|&;]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
MAKE = re.compile(r"\bmake ([a-z]+)\b")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
DOTTED = re.compile(r"([a-z_]+)((?:\.[A-Za-z_]+)+)(\(\))?")
#: Options that pages name by themselves and that belong to another program.
OF_TEMPORAL = {"--address"}
#: Folders that the program or make creates.
MADE = {"data", ".venv"}


def options() -> dict[str, set[str]]:
    """Of each command, `user add` being one, the options that it takes."""
    found: dict[str, set[str]] = {}
    for name in COMMANDS:
        command = PROGRAM.get_command(PROGRAM.make_context("visit-engine", [name], resilient_parsing=True), name)
        nested = getattr(command, "commands", {})
        for path, one in [(name, command), *((f"{name} {inner}", told) for inner, told in nested.items())]:
            found[path] = {"--help", *(option for parameter in one.params for option in parameter.opts)}
    return found


OPTIONS = options()


def called(page: Path) -> list[tuple[str, set[str]]]:
    """The commands of the program that a page names, with the options given there."""
    found = []
    for text in commands(page):
        for match in CALLED.finditer(text):
            nested = f"{match[1]}{match[2]}"
            found.append((nested if nested in OPTIONS else match[1], set(OPTION.findall(match[0]))))
    return found


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_command_that_a_page_names_exists(page: Path) -> None:
    wrong = [(name, given) for name, given in called(page) if not given <= OPTIONS.get(name, set())]

    assert wrong == []


def test_every_command_is_documented() -> None:
    named = {name for page in PAGES for name, _ in called(page)}

    assert set(OPTIONS) - named - {"user"} == set()


def test_every_option_that_a_page_names_exists(page: Path) -> None:
    known = OF_TEMPORAL.union(*OPTIONS.values())
    named = {option for span in spans(page) if span.startswith("--") for option in OPTION.findall(span)}

    assert named <= known


def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    assert {target for text in commands(page) for target in MAKE.findall(text)} <= targets()


def test_every_make_target_is_documented() -> None:
    named = set(MAKE.findall((ROOT / "CONTRIBUTING.md").read_text()))

    assert targets() - named == set()


def test_every_path_that_a_page_names_exists(page: Path) -> None:
    tops = {path.name for path in ROOT.iterdir()}
    named = [span for span in spans(page) if PATH.fullmatch(span)]
    paths = [path for path in named if path.partition("/")[0] in tops or path.endswith((".py", ".md", ".toml"))]

    assert [path for path in paths if path.partition("/")[0] not in MADE and not (ROOT / path).exists()] == []


def test_every_module_that_a_page_names_exists(page: Path) -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    wrong = []
    for span in spans(page):
        match = DOTTED.fullmatch(span)
        if match and match[1] in packages and not _exists(span.removesuffix("()")):
            wrong.append(span)

    assert wrong == []


def _exists(dotted: str) -> bool:
    try:
        import_module(dotted)
    except ModuleNotFoundError:
        module, _, name = dotted.rpartition(".")
        return hasattr(import_module(module), name)
    return True


def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        there = page.parent / target if target else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)

    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, coming = set(), [ROOT / "README.md"]
    while coming:
        page = coming.pop()
        if page in seen:
            continue
        seen.add(page)
        linked = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
        coming += [one for one in linked if one.suffix == ".md" and one.exists()]

    assert [page.name for page in PAGES if page not in seen] == []
