"""What the tests of deployment share: secrets as they are drawn, and the database cluster that knows them."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import cluster
from tests.support.cluster import PostgresCluster
from tests.support.compose import ROOT

MAKE_SECRETS = ROOT / "deploy" / "make-secrets.sh"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that every user can reach: the database's own reads there."""
    with tempfile.TemporaryDirectory(prefix="visit-deploy-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="session")
def secrets(folder: Path) -> Path:
    """The secrets as an operator draws them, and as containers find them: in a folder that can be entered."""
    drawn = folder / "secrets"
    subprocess.run(["sh", MAKE_SECRETS, drawn], check=True, stdout=subprocess.DEVNULL)
    drawn.chmod(0o755)
    return drawn


@pytest.fixture(scope="session")
def postgres(folder: Path, secrets: Path) -> Iterator[PostgresCluster]:
    """The database cluster of docker-compose.yml."""
    why = cluster.missing()
    if why is not None:
        pytest.skip(why)
    home = folder / "postgres"
    home.mkdir()
    started = PostgresCluster(home, secrets)
    started.start()
    yield started
    started.stop()
