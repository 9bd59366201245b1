"""Checks of all files of the project: one version, and nothing from the machine that it was written on."""

import re
import shutil
import tomllib

import pytest

from tests.support.pages import ROOT, tracked

#: Package registries, and folders of one person's machine. Joined here, so that this file does not match itself.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("anaconda", "org"))]
FOLDERS = ["/".join(("", *parts)) for parts in (("work", ""), ("tmp", "bash_jobs"), ("home", ""), ("Users", ""))]


@pytest.mark.skipif(not ((ROOT / ".git").exists() and shutil.which("git")), reason="needs git, and a clone")
@pytest.mark.parametrize("words", [HOSTS, FOLDERS], ids=["package registries", "folders of one machine"])
def test_files_name_no_registry_or_private_folder(words: list[str]) -> None:
    forbidden = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}" for word in words))
    matches = []
    for name in sorted(tracked()):
        path = ROOT / name
        text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        matches += [f"{name}: {match[0]}" for match in forbidden.finditer(text)]

    assert matches == []


def test_changelog_has_version_of_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]

    assert released[0].split()[0] == project["version"]
