"""Fixtures of the deployment tests: the secrets, and a PostgreSQL cluster that uses them."""

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
    """A folder that every user can enter, because the user of PostgreSQL reads files there."""
    with tempfile.TemporaryDirectory(prefix="visit-deploy-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="session")
def secrets(folder: Path) -> Path:
    """The folder of secrets from `make-secrets.sh`. Every user can enter it, like the containers."""
    secrets_folder = folder / "secrets"
    subprocess.run(["sh", MAKE_SECRETS, secrets_folder], check=True, stdout=subprocess.DEVNULL)
    secrets_folder.chmod(0o755)
    return secrets_folder


@pytest.fixture(scope="session")
def postgres(folder: Path, secrets: Path) -> Iterator[PostgresCluster]:
    """The database cluster of docker-compose.yml."""
    reason = cluster.reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    home = folder / "postgres"
    home.mkdir()
    postgres_cluster = PostgresCluster(home, secrets)
    postgres_cluster.start()

    yield postgres_cluster

    postgres_cluster.stop()
