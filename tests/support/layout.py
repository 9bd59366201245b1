"""Where the package's folders and its links are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The package: one link to each folder of the repository's top.
PACKAGE = ROOT / "dev" / "patient_visit_engine"
#: Folders at the top that hold Python but do not belong to the package.
OUTSIDE = {"bench", "dev", "tests", "web"}


def package_folders() -> set[str]:
    """The names of the package's folders at the top."""
    return {init.parent.name for init in ROOT.glob("*/__init__.py")} - OUTSIDE
