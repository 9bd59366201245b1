"""Our modules are imported as `patient_visit_engine.*` only: `import visit` would load a second copy of them."""

import tomllib

import pytest

from tests.support.layout import OUTSIDE, ROOT, package_folders
from tests.support.used_names import imported_names

#: `config` was a folder of the package until it became `runtime`.
BANNED = package_folders() | {"config"}


def _banned_imports(source: str) -> list[str]:
    return [name for name in imported_names(source) if name.partition(".")[0] in BANNED]


def test_no_file_imports_a_folder_without_prefix() -> None:
    tops = [ROOT / name for name in (package_folders() | OUTSIDE) - {"dev"}]
    sources = [path for top in tops for path in top.rglob("*.py") if "node_modules" not in path.parts]

    banned = {str(path.relative_to(ROOT)): _banned_imports(path.read_text()) for path in sources}

    assert len(banned) > 300
    assert {name: imports for name, imports in banned.items() if imports} == {}


@pytest.mark.parametrize(
    "source", ["import visit.state", "from api import app", "def run():\n    from config import load"]
)
def test_finds_import_without_prefix(source: str) -> None:
    assert _banned_imports(source)


def test_ruff_bans_each_folder_in_every_file() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    assert set(lint["flake8-tidy-imports"]["banned-api"]) == BANNED
    assert "TID251" not in {code for codes in lint["per-file-ignores"].values() for code in codes}
