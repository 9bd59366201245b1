"""`dev/patient_visit_engine` has one link to each folder of the package, and nothing else."""

from tests.support.layout import PACKAGE, package_folders


def test_each_package_folder_has_one_link() -> None:
    targets = {path.name: str(path.readlink()) for path in PACKAGE.iterdir() if path.is_symlink()}

    assert targets == {folder: f"../../{folder}" for folder in package_folders()}


def test_links_have_only_two_files_next_to_them() -> None:
    files = {path.name for path in PACKAGE.iterdir() if not path.is_symlink()} - {"__pycache__"}

    assert files == {"__init__.py", "py.typed"}
    assert list(PACKAGE.parent.iterdir()) == [PACKAGE]
