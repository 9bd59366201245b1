"""What holds for the project's text as a whole: one version, and nothing of the machine that it was written on."""

import re
import shutil
import tomllib

import pytest

from tests.support.pages import ROOT, tracked

#: Package registries, and folders of somebody's own machine. Put together here, or this file would be found first.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("anaconda", "org"))]
FOLDERS = ["/".join(("", *parts)) for parts in (("work", ""), ("tmp", "bash_jobs"), ("home", ""), ("Users", ""))]


@pytest.mark.skipif(not ((ROOT / ".git").exists() and shutil.which("git")), reason="needs git, and a clone")
@pytest.mark.parametrize("words", [HOSTS, FOLDERS], ids=["package registries", "folders of one machine"])
def test_no_file_names(words: list[str]) -> None:
    forbidden = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}" for word in words))
    found = []
    for name in sorted(tracked()):
        path = ROOT / name
        text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        found += [f"{name}: {match[0]}" for match in forbidden.finditer(text)]

    assert found == []


def test_the_newest_version_of_the_changelog_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]

    assert released[0].split()[0] == project["version"]
