"""What docker-compose.yml promises of each service, read from the file; the Compose program itself reads it where it is installed."""

import json
import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest

from patient_visit_engine.api.server import GRACE as API_GRACE
from patient_visit_engine.runtime.dev_server import DYNAMIC_CONFIG
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.worker.builder import SHUTDOWN_TIMEOUT as WORKER_GRACE
from tests.support.compose import COMPOSE, DOCKERFILE, JOBS, OURS, ROOT, SERVICES, VARIABLE, instruction, seconds, yaml

SETTINGS = {f"VISIT_{name.upper()}" for name in Settings.model_fields}
#: uvicorn's own.
OTHERS = {"FORWARDED_ALLOW_IPS"}
TEXT = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
#: A tag that says a version; where it can be known, the digest too.
PINNED = re.compile(r"[a-z/-]+:\d+\.\d+\.?\d*(-[a-z]+)*(@sha256:[0-9a-f]{64})?")


@pytest.fixture(params=SERVICES)
def name(request: pytest.FixtureRequest) -> str:
    """Each service in its turn."""
    found: str = request.param
    return found


@pytest.fixture
def service(name: str) -> dict[str, Any]:
    return SERVICES[name]


def test_a_service_is_started_again_and_has_a_bound_to_its_memory(name: str, service: dict[str, Any]) -> None:
    assert service["restart"] == ("on-failure:5" if name in JOBS else "unless-stopped")
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_service_has_a_health_check_and_a_job_is_waited_for(name: str, service: dict[str, Any]) -> None:
    waited_for = [
        other["depends_on"][name]["condition"] for other in SERVICES.values() if name in other.get("depends_on", {})
    ]

    if name in JOBS:
        assert set(waited_for) == {"service_completed_successfully"}
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert set(waited_for) <= {"service_healthy"}


def test_an_image_is_pinned(service: dict[str, Any]) -> None:
    assert PINNED.fullmatch(service["image"]), service["image"]


def test_what_is_built_is_of_this_version_and_from_pinned_images() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert {service["image"] for service in OURS.values()} == {f"visit-engine:{version}"}
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [base for base in bases if not (PINNED.fullmatch(base) and "@" in base)] == []


@pytest.mark.parametrize("ours", OURS)
def test_every_variable_of_ours_is_a_setting(ours: str) -> None:
    assert set(OURS[ours]["environment"]) <= SETTINGS | OTHERS


def test_every_process_of_ours_has_the_same_visits_in_mind() -> None:
    limits = {
        f"VISIT_{limit}" for limit in ("TIMEZONE", "OFFER_SECONDS", "ABANDON_AFTER", "REMIND_EVERY", "MESSAGES_PER_RUN")
    }

    assert [name for name, service in OURS.items() if not limits <= set(service["environment"])] == []


def test_every_value_from_outside_is_in_the_example_and_every_one_there_is_used() -> None:
    used = {found[1] for found in VARIABLE.finditer(TEXT)}
    passed_on = {
        key for service in SERVICES.values() for key, value in service.get("environment", {}).items() if value is None
    }

    assert set(re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == used | passed_on


def test_no_secret_has_a_value_here() -> None:
    """Passwords and keys come from files alone, which git and the image never see."""
    drawn = {f"./secrets/{name}" for name in COMPOSE["secrets"]}
    variables = {
        f"{key}={value}" for service in SERVICES.values() for key, value in service.get("environment", {}).items()
    }

    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == drawn
    assert [one for one in variables if re.search("PASSWORD|PWD|SECRET|KEY", one) and "=/run/secrets" not in one] == []
    assert not re.search(r"//\w+:[^@/]+@", TEXT)
    assert not re.search("PASSWORD|SECRET=|PWD", EXAMPLE)
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_a_secret_that_a_service_of_ours_is_given_is_a_setting() -> None:
    given = {secret.upper() for service in OURS.values() for secret in service["secrets"]}

    assert given == {"VISIT_DATABASE_PASSWORD", "VISIT_JWT_SECRET"}


def test_the_worker_and_the_migration_have_no_key_to_sign_in_with() -> None:
    assert {name for name, service in OURS.items() if "visit_jwt_secret" in service["secrets"]} == {"api-1", "api-2"}


def test_a_container_is_given_longer_to_stop_than_its_process_takes() -> None:
    for name, service in OURS.items():
        if name not in JOBS:
            grace = API_GRACE if name.startswith("api") else WORKER_GRACE.total_seconds()
            assert seconds(service["stop_grace_period"]) >= grace + 5


def test_only_caddy_is_open_to_others() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports == {"caddy": ["80:80", "443:443"], "temporal-ui": ["127.0.0.1:8233:8080"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["caddy"]["networks"] == ["edge"]


def test_our_containers_run_as_nobody_in_particular_and_write_nowhere() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", instruction("USER"))
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service


def test_the_image_is_built_from_all_that_the_package_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert sent == {*packages, "web", "pyproject.toml", "README.md", "LICENSE", "requirements/run.txt"}


def test_the_image_installs_nothing_without_a_hash() -> None:
    installs = re.findall(r"pip install (\S+)", DOCKERFILE)

    assert installs == ["--require-hashes", "--no-deps"]


def test_temporal_is_tuned_as_up_tunes_its_own() -> None:
    written = yaml.safe_load((ROOT / "deploy" / "temporal" / "dynamic-config.yaml").read_text())

    assert {key: str(values[0]["value"]) for key, values in written.items()} == DYNAMIC_CONFIG


def test_the_compose_program_takes_the_file() -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose: not on the PATH")

    read = subprocess.run(
        [program, "--env-file", ".env.example", "config", "--format", "json"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    # Not by its exit code, which the Python package's program loses.
    assert read.stdout, read.stderr
    assert set(json.loads(read.stdout)["services"]) == set(SERVICES)
    assert "level=warning" not in read.stderr
