"""`deploy/make-secrets.sh` draws each secret once, for the folder's owner alone; the database's roles are made from them."""

import stat
import subprocess
from pathlib import Path

from tests.deploy.conftest import MAKE_SECRETS
from tests.support.cluster import PostgresCluster
from tests.support.compose import COMPOSE


def draw(folder: Path) -> dict[str, str]:
    subprocess.run(["sh", MAKE_SECRETS, folder], check=True, stdout=subprocess.DEVNULL)
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_every_secret_of_the_compose_file_is_drawn_and_no_two_are_alike(tmp_path: Path) -> None:
    drawn = draw(tmp_path / "secrets")

    assert set(drawn) == set(COMPOSE["secrets"])
    assert len(set(drawn.values())) == len(drawn)
    assert {len(secret) for secret in drawn.values()} == {64}


def test_a_secret_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    first = draw(tmp_path / "secrets")
    (tmp_path / "secrets" / "visit_jwt_secret").unlink()

    second = draw(tmp_path / "secrets")

    changed = {name for name, secret in second.items() if first[name] != secret}
    assert changed == {"visit_jwt_secret"}


def test_only_the_owner_enters_the_folder_and_each_container_reads_its_file(tmp_path: Path) -> None:
    draw(tmp_path / "secrets")

    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir() if path.is_file()} == {0o444}


def test_each_role_enters_its_own_databases_with_its_own_password(postgres: PostgresCluster, secrets: Path) -> None:
    passwords = {role: (secrets / f"{role}_database_password").read_text() for role in ("visit", "temporal")}
    own = {("visit", "visits"), ("temporal", "temporal"), ("temporal", "temporal_visibility")}

    entered = {
        (role, database)
        for role, password in passwords.items()
        for database in ("visits", "temporal", "temporal_visibility")
        if postgres.ask(role, database, "SELECT 1", password).returncode == 0
    }

    assert entered == own
    assert postgres.ask("visit", "visits", "SELECT 1", passwords["temporal"]).returncode == 2


def test_the_database_is_healthy_and_has_room_for_every_session(postgres: PostgresCluster, secrets: Path) -> None:
    password = (secrets / "visit_database_password").read_text()

    assert postgres.is_healthy()
    assert int(postgres.ask("visit", "visits", "SHOW max_connections", password).stdout) >= 300


def test_no_role_is_more_than_it_must_be(postgres: PostgresCluster, secrets: Path) -> None:
    query = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    password = (secrets / "visit_database_password").read_text()

    assert postgres.ask("visit", "visits", query, password).stdout == "f\n"


def test_temporal_may_make_the_extension_that_its_schema_wants(postgres: PostgresCluster, secrets: Path) -> None:
    password = (secrets / "temporal_database_password").read_text()

    made = postgres.ask("temporal", "temporal_visibility", "CREATE EXTENSION btree_gin", password)

    assert made.returncode == 0, made.stderr
