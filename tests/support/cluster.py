"""A PostgreSQL cluster as the image of docker-compose.yml makes it: its arguments, its passwords, our roles; it must not know an engine."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tests.support.compose import ROOT, SERVICES
from tests.support.processes import free_port

IMAGES_SECRETS = "/run/secrets"
ROLES = ROOT / "deploy" / "postgres" / "roles.sh"


def missing() -> str | None:
    """Why there can be none here."""
    programs = ("pg_ctl", "psql", "pg_isready")
    lacking = [program for program in programs if shutil.which(program) is None]
    if lacking:
        return f"PostgreSQL: no {lacking[0]} on the PATH"
    return None if _owner() in {one.pw_name for one in pwd.getpwall()} else "PostgreSQL: nobody to run it as"


def _owner() -> str:
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


class PostgresCluster:
    """One server on a free port, in a folder that its owner can reach."""

    def __init__(self, home: Path, secrets: Path) -> None:
        self.port = free_port()
        self._home = home
        self._secrets = secrets

    def start(self) -> None:
        """Make the cluster and start it, as the image's own script does, ours included."""
        shutil.chown(self._home, _owner())
        password = self._home / "password"
        password.write_text((self._secrets / "postgres_password").read_text())
        shutil.chown(password, _owner())
        arguments = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]
        self._run("pg_ctl", "-D", "db", "-s", "initdb", "-o", f"-U postgres --pwfile=password {arguments} --no-sync")
        program, *as_asked = SERVICES["postgres"]["command"]
        assert program == "postgres"
        options = f"-p {self.port} -k {self._home} -c listen_addresses=127.0.0.1 -c fsync=off {' '.join(as_asked)}"
        self._run("pg_ctl", "-D", "db", "-s", "-w", "-l", "log", "-o", options, "start")
        roles = self._home / "roles.sh"
        roles.write_text(ROLES.read_text().replace(IMAGES_SECRETS, str(self._secrets)))
        self._run("sh", "roles.sh", POSTGRES_USER="postgres", PGHOST=str(self._home), PGPORT=str(self.port))

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "db", "-s", "-m", "immediate", "stop")

    def is_healthy(self) -> bool:
        """What the container's health check asks."""
        kind, *asked = SERVICES["postgres"]["healthcheck"]["test"]
        assert kind == "CMD"
        asking = subprocess.run([*asked, f"--port={self.port}"], check=False, stdout=subprocess.DEVNULL, timeout=60)
        return asking.returncode == 0

    def ask(self, user: str, database: str, query: str, password: str) -> subprocess.CompletedProcess[str]:
        """By TCP, as the containers come."""
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", database]
        return subprocess.run(
            ["psql", "--no-psqlrc", "-w", "-At", *address, "-c", query],
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
            user=_owner(),
            cwd=self._home,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
