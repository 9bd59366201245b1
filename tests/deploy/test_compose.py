"""Rules for each service of docker-compose.yml and for the image. The Compose program checks the file where it is installed."""

import json
import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import yaml  # its stubs are no requirement of this project

from patient_visit_engine.api.server import GRACE_SECONDS as API_GRACE
from patient_visit_engine.runtime.dev_server import DYNAMIC_CONFIG
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.worker.builder import SHUTDOWN_TIMEOUT as WORKER_GRACE
from tests.support.compose import (
    COMPOSE,
    DOCKERFILE,
    ENGINE_SERVICES,
    JOBS,
    ROOT,
    SERVICES,
    VARIABLE,
    instruction,
    seconds,
)

SETTINGS = {f"VISIT_{name.upper()}" for name in Settings.model_fields}
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
#: A tag with a version, and the digest where it is known.
PINNED_IMAGE = re.compile(r"[a-z/-]+:\d+\.\d+\.?\d*(-[a-z]+)*(@sha256:[0-9a-f]{64})?")


@pytest.fixture(params=SERVICES)
def name(request: pytest.FixtureRequest) -> str:
    """Each service, one test after the other."""
    service_name: str = request.param
    return service_name


@pytest.fixture
def service(name: str) -> dict[str, Any]:
    return SERVICES[name]


def test_service_restarts_with_bounded_memory(name: str, service: dict[str, Any]) -> None:
    assert service["restart"] == ("on-failure:5" if name in JOBS else "unless-stopped")
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_service_has_health_check_or_is_job(name: str, service: dict[str, Any]) -> None:
    conditions = [
        other["depends_on"][name]["condition"] for other in SERVICES.values() if name in other.get("depends_on", {})
    ]

    if name in JOBS:
        assert set(conditions) == {"service_completed_successfully"}
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert set(conditions) <= {"service_healthy"}


def test_image_is_pinned(service: dict[str, Any]) -> None:
    assert PINNED_IMAGE.fullmatch(service["image"]), service["image"]


def test_engine_image_has_version_and_pinned_bases() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert {service["image"] for service in ENGINE_SERVICES.values()} == {f"visit-engine:{version}"}
    base_images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [image for image in base_images if not (PINNED_IMAGE.fullmatch(image) and "@" in image)] == []


@pytest.mark.parametrize("engine_service", ENGINE_SERVICES)
def test_engine_variables_are_settings(engine_service: str) -> None:
    assert set(ENGINE_SERVICES[engine_service]["environment"]) <= SETTINGS


def test_engine_services_share_visit_settings() -> None:
    visit_settings = {
        f"VISIT_{limit}" for limit in ("TIMEZONE", "OFFER_SECONDS", "ABANDON_AFTER", "REMIND_EVERY", "MESSAGES_PER_RUN")
    }

    assert [
        name for name, service in ENGINE_SERVICES.items() if not visit_settings <= set(service["environment"])
    ] == []


def test_env_example_lists_exactly_used_variables() -> None:
    referenced = {match[1] for match in VARIABLE.finditer(COMPOSE_TEXT)}
    passed_through = {
        key for service in SERVICES.values() for key, value in service.get("environment", {}).items() if value is None
    }

    assert set(re.findall(r"^#? ?([A-Z_]+)=", ENV_EXAMPLE, re.MULTILINE)) == referenced | passed_through


def test_no_secret_is_in_the_files() -> None:
    """Passwords and keys come only from files that neither git nor the image contains."""
    secret_files = {f"./secrets/{name}" for name in COMPOSE["secrets"]}
    variables = {
        f"{key}={value}" for service in SERVICES.values() for key, value in service.get("environment", {}).items()
    }

    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == secret_files
    secret_variables = [variable for variable in variables if re.search("PASSWORD|PWD|SECRET|KEY", variable)]
    assert [variable for variable in secret_variables if "=/run/secrets" not in variable] == []
    assert not re.search(r"//\w+:[^@/]+@", COMPOSE_TEXT)
    assert not re.search("PASSWORD|SECRET=|PWD", ENV_EXAMPLE)
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_engine_secrets_are_settings() -> None:
    secrets = {secret.upper() for service in ENGINE_SERVICES.values() for secret in service["secrets"]}

    assert secrets == {"VISIT_DATABASE_PASSWORD", "VISIT_JWT_SECRET"}


def test_only_apis_have_the_token_secret() -> None:
    assert {name for name, service in ENGINE_SERVICES.items() if "visit_jwt_secret" in service["secrets"]} == {
        "api-1",
        "api-2",
    }


def test_container_has_enough_time_to_stop() -> None:
    for name, service in ENGINE_SERVICES.items():
        if name not in JOBS:
            grace = API_GRACE if name.startswith("api") else WORKER_GRACE.total_seconds()
            assert seconds(service["stop_grace_period"]) >= grace + 5


def test_only_caddy_is_reachable_from_outside() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports == {"caddy": ["80:80", "443:443"], "temporal-ui": ["127.0.0.1:8233:8080"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["caddy"]["networks"] == ["edge"]


def test_engine_runs_unprivileged_and_read_only() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", instruction("USER"))
    for service in ENGINE_SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service


def test_image_gets_all_sources_of_the_package() -> None:
    folders = {link.name for link in (ROOT / "dev" / "patient_visit_engine").iterdir() if link.is_symlink()}
    included = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert included == {*folders, "dev", "web", "pyproject.toml", "README.md", "LICENSE", "requirements/run.txt"}


def test_image_installs_only_hashed_packages() -> None:
    installs = re.findall(r"pip install (\S+)", DOCKERFILE)

    assert installs == ["--require-hashes", "--no-deps"]


def test_temporal_is_tuned_like_the_one_of_up() -> None:
    dynamic_config = yaml.safe_load((ROOT / "deploy" / "temporal" / "dynamic-config.yaml").read_text())

    assert {key: str(values[0]["value"]) for key, values in dynamic_config.items()} == DYNAMIC_CONFIG


def test_compose_program_accepts_the_file() -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose: not on the PATH")

    result = subprocess.run(
        [program, "--env-file", ".env.example", "config", "--format", "json"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    # The exit code is not checked, because the program of the Python package loses it.
    assert result.stdout, result.stderr
    assert set(json.loads(result.stdout)["services"]) == set(SERVICES)
    assert "level=warning" not in result.stderr
