"""A PostgreSQL cluster like the one of docker-compose.yml: with its arguments, its passwords and our roles."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tests.support.compose import ROOT, SERVICES
from tests.support.ports import free_port
from tests.support.postgres import server_user

SECRETS_IN_IMAGE = "/run/secrets"
ROLES_SCRIPT = ROOT / "deploy" / "postgres" / "roles.sh"


def reason_to_skip() -> str | None:
    """The reason why no cluster can run on this machine, or None."""
    programs = ("pg_ctl", "psql", "pg_isready")
    missing_programs = [program for program in programs if shutil.which(program) is None]
    if missing_programs:
        return f"PostgreSQL: no {missing_programs[0]} on the PATH"
    users = {user.pw_name for user in pwd.getpwall()}
    return None if server_user() in users else f"PostgreSQL: no user {server_user()} to run it"


class PostgresCluster:
    """One server on a free port, in a folder that its user can enter."""

    def __init__(self, home: Path, secrets: Path) -> None:
        self.port = free_port()
        self._home = home
        self._secrets = secrets

    def start(self) -> None:
        """Create the cluster and start it like the image's own script, including our script for the roles."""
        shutil.chown(self._home, server_user())
        password_file = self._home / "password"
        password_file.write_text((self._secrets / "postgres_password").read_text())
        shutil.chown(password_file, server_user())
        arguments = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]
        self._run("pg_ctl", "-D", "db", "-s", "initdb", "-o", f"-U postgres --pwfile=password {arguments} --no-sync")
        program, *compose_options = SERVICES["postgres"]["command"]
        assert program == "postgres"
        options = (
            f"-p {self.port} -k {self._home} -c listen_addresses=127.0.0.1 -c fsync=off {' '.join(compose_options)}"
        )
        self._run("pg_ctl", "-D", "db", "-s", "-w", "-l", "log", "-o", options, "start")
        roles_script = self._home / "roles.sh"
        roles_script.write_text(ROLES_SCRIPT.read_text().replace(SECRETS_IN_IMAGE, str(self._secrets)))
        self._run("sh", "roles.sh", POSTGRES_USER="postgres", PGHOST=str(self._home), PGPORT=str(self.port))

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "db", "-s", "-m", "immediate", "stop")

    def is_healthy(self) -> bool:
        """Whether the container's health check succeeds."""
        kind, *check = SERVICES["postgres"]["healthcheck"]["test"]
        assert kind == "CMD"
        result = subprocess.run([*check, f"--port={self.port}"], check=False, stdout=subprocess.DEVNULL, timeout=60)
        return result.returncode == 0

    def query(self, user: str, database: str, statement: str, password: str) -> subprocess.CompletedProcess[str]:
        """Run a statement over TCP, like the containers."""
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", database]
        return subprocess.run(
            ["psql", "--no-psqlrc", "-w", "-At", *address, "-c", statement],
            check=False,
            env=os.environ | {"PGPASSWORD": password},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def _run(self, *command: str, **environment: str) -> None:
        subprocess.run(  # the server refuses to run as root
            command,
            check=True,
            user=server_user(),
            cwd=self._home,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
