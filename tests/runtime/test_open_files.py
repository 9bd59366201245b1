"""The limit of open files."""

import subprocess
import sys

import pytest

from patient_visit_engine.runtime.open_files import MOST_OPEN_FILES, OpenFileLimit

PRINT_LIMIT = (
    "import resource\n"
    "from patient_visit_engine.runtime.open_files import raise_open_file_limit\n"
    "print(raise_open_file_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
)


@pytest.mark.parametrize(
    ("soft", "hard", "limit", "reserve"), [(100, 2_000, 2_000, 200), (100, 200, 200, 32), (300, 300, 300, 32)]
)
def test_a_process_raises_its_limit_to_the_hard_limit(soft: int, hard: int, limit: int, reserve: int) -> None:
    command = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'

    ended = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-c", PRINT_LIMIT], capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip() == f"{OpenFileLimit(limit, reserve)} {limit}"


def test_the_reserve_is_not_for_clients() -> None:
    limit = OpenFileLimit(MOST_OPEN_FILES, 256)

    assert not limit.is_nearly_reached(MOST_OPEN_FILES - 257)
    assert limit.is_nearly_reached(MOST_OPEN_FILES - 256)


def test_too_few_files_stop_the_start_with_the_remedy() -> None:
    for part in ("api", "worker"):
        command = f'ulimit -n 60 && exec "$@" {part}'

        ended = subprocess.run(
            ["sh", "-c", command, "sh", sys.executable, "-m", "patient_visit_engine.cli"],
            capture_output=True,
            text=True,
            check=False,
        )

        assert ended.returncode == 2
        assert ended.stderr.startswith(
            "this process may open only 60 files, and needs 100. Raise the limit of open files"
        )
        assert len(ended.stderr.splitlines()) == 1
