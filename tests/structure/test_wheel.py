"""The wheel installs one package, which works next to other packages named `config` and `api`.

The build is the real one, page included, in a copy of the sources and without a network.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.layout import ROOT, package_folders
from tests.support.ports import free_port

SOURCES = ["pyproject.toml", "README.md", "LICENSE", ".gitignore"]
#: npm's own record of what it installed.
NPM_RECORD = ROOT / "web" / "node_modules" / ".package-lock.json"
NOT_COPIED = shutil.ignore_patterns("node_modules", "built_page", "dist", "__pycache__")

pytestmark = pytest.mark.skipif(
    not NPM_RECORD.exists(), reason="needs the packages of web/, which `make lint` installs"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything that the wheel is built from."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copy(ROOT / name, copy)
    for name in ["dev", "web", *package_folders()]:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=NOT_COPIED)
    # One link for each package: `npm ci` would empty a folder behind a single link. The old time keeps the hook from starting it.
    packages = copy / "web" / "node_modules"
    packages.mkdir()
    for path in NPM_RECORD.parent.iterdir():
        (packages / path.name).symlink_to(path)
    os.utime(copy / "web" / "package-lock.json", (0, 0))
    return copy


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    environment = os.environ | {"npm_config_offline": "true", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    built = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(sources)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def files(wheel: Path) -> set[str]:
    """The names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel and two foreign packages. It borrows the dependencies of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = str(folder / "bin" / "python")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(install, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}, check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    _write_foreign_packages(packages)
    # Python does not process the `.pth` files of this folder, so our editable installation stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working folder that has packages named `config` and `api` too. `python -m` looks here first."""
    _write_foreign_packages(tmp_path)
    return tmp_path


def _write_foreign_packages(folder: Path) -> None:
    for name in ("config", "api"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise RuntimeError('the foreign package {name} was imported')\n")


def _run(command: list[str], folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment without anything of this process's own environment."""
    variables = {"PATH": os.defpath, "COLUMNS": "200"} | settings
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_wheel_adds_one_top_level_name(files: set[str]) -> None:
    top_level = {name.partition("/")[0] for name in files}

    assert {name for name in top_level if not name.endswith(".dist-info")} == {"patient_visit_engine"}


def test_wheel_contains_every_module(files: set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for top in package_folders() for path in (ROOT / top).rglob("*.py")}
    packaged = {name.removeprefix("patient_visit_engine/") for name in files if name.endswith(".py")}

    assert "storage/migrations/versions/0001_first_schema.py" in modules
    assert packaged == modules | {"__init__.py"}


def test_wheel_contains_page_and_type_marker(files: set[str], sources: Path) -> None:
    page = {str(path.relative_to(sources)) for path in (sources / "api" / "built_page").rglob("*") if path.is_file()}
    packaged = {name.removeprefix("patient_visit_engine/") for name in files if not name.endswith(".py")}

    assert "api/built_page/index.html" in page
    assert {Path(name).suffix for name in page} >= {".css", ".html", ".js"}
    assert {name for name in packaged if ".dist-info/" not in name} == page | {"py.typed"}


def test_installed_program_prints_help(environment: Path, elsewhere: Path) -> None:
    helped = _run([str(environment / "bin" / "visit-engine"), "--help"], elsewhere)

    assert helped.returncode == 0, helped.stderr
    assert "Usage: visit-engine" in helped.stdout
    assert helped.stderr == ""


def test_installed_modules_come_from_the_wheel(environment: Path, elsewhere: Path) -> None:
    program = "import patient_visit_engine.storage.tables as tables; print(tables.__file__)"

    imported = _run([str(environment / "bin" / "python"), "-c", program], elsewhere)

    assert Path(imported.stdout).is_relative_to(environment), imported.stderr


def test_installed_health_check_names_missing_temporal(environment: Path, elsewhere: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    command = [str(environment / "bin" / "python"), "-m", "patient_visit_engine.worker.polling"]

    checked = _run(command, elsewhere, VISIT_TEMPORAL_ADDRESS=address)

    assert checked.returncode == 1
    assert checked.stderr == f"Temporal does not answer at {address}\n"
    assert checked.stdout == ""
