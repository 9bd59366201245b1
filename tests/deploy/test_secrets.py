"""`deploy/make-secrets.sh` creates each secret once, for the folder's owner only. `roles.sh` uses them for the database's roles."""

import stat
import subprocess
from pathlib import Path

from tests.deploy.conftest import MAKE_SECRETS
from tests.support.cluster import PostgresCluster
from tests.support.compose import COMPOSE


def make_secrets(folder: Path) -> dict[str, str]:
    subprocess.run(["sh", MAKE_SECRETS, folder], check=True, stdout=subprocess.DEVNULL)
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_creates_all_secrets_and_all_differ(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path / "secrets")

    assert set(secrets) == set(COMPOSE["secrets"])
    assert len(set(secrets.values())) == len(secrets)
    assert {len(secret) for secret in secrets.values()} == {64}


def test_keeps_existing_secrets(tmp_path: Path) -> None:
    first = make_secrets(tmp_path / "secrets")
    (tmp_path / "secrets" / "visit_jwt_secret").unlink()

    second = make_secrets(tmp_path / "secrets")

    changed = {name for name, secret in second.items() if first[name] != secret}
    assert changed == {"visit_jwt_secret"}


def test_only_owner_enters_the_folder(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")

    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir() if path.is_file()} == {0o444}


def test_role_enters_only_its_databases(postgres: PostgresCluster, secrets: Path) -> None:
    passwords = {role: (secrets / f"{role}_database_password").read_text() for role in ("visit", "temporal")}
    allowed = {("visit", "visits"), ("temporal", "temporal"), ("temporal", "temporal_visibility")}

    connected = {
        (role, database)
        for role, password in passwords.items()
        for database in ("visits", "temporal", "temporal_visibility")
        if postgres.query(role, database, "SELECT 1", password).returncode == 0
    }

    assert connected == allowed
    assert postgres.query("visit", "visits", "SELECT 1", passwords["temporal"]).returncode == 2


def test_database_is_healthy_and_allows_all_sessions(postgres: PostgresCluster, secrets: Path) -> None:
    password = (secrets / "visit_database_password").read_text()

    assert postgres.is_healthy()
    assert int(postgres.query("visit", "visits", "SHOW max_connections", password).stdout) >= 300


def test_role_has_no_extra_rights(postgres: PostgresCluster, secrets: Path) -> None:
    query = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    password = (secrets / "visit_database_password").read_text()

    assert postgres.query("visit", "visits", query, password).stdout == "f\n"


def test_temporal_may_create_its_extension(postgres: PostgresCluster, secrets: Path) -> None:
    password = (secrets / "temporal_database_password").read_text()

    result = postgres.query("temporal", "temporal_visibility", "CREATE EXTENSION btree_gin", password)

    assert result.returncode == 0, result.stderr
