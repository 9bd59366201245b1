"""Reads docker-compose.yml and the Dockerfile, and turns the engine's containers into commands of this machine."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml  # its stubs are no requirement of this project

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
#: The services that run the engine's own image.
ENGINE_SERVICES = {name: service for name, service in SERVICES.items() if service["image"].startswith("visit-engine:")}
JOBS = {name for name, service in SERVICES.items() if service["restart"] == "on-failure:5"}
VARIABLE = re.compile(r"\$\{(\w+)(:[-?])?([^}]*)\}")
#: The content of `.env` in the tests.
ENV_FILE = {"VISIT_TIMEZONE": "Europe/Paris", "SITE_ADDRESS": "localhost", "EDGE_SUBNET": "172.30.99.0/24"}


def instruction(name: str) -> str:
    """The last instruction with this name in the Dockerfile, which is the effective one."""
    values: list[str] = re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)
    return values[-1]


def environment(name: str) -> dict[str, str]:
    """The variables of the service's processes. Variables without a value are not set."""
    image = dict(pair.split("=", 1) for pair in shlex.split(instruction("ENV")) if pair.startswith("VISIT_"))
    variables = {key: value for key, value in SERVICES[name]["environment"].items() if value is not None}
    return image | {key: VARIABLE.sub(lambda match: ENV_FILE[match[1]], value) for key, value in variables.items()}


def command(name: str) -> list[str]:
    """The container's command, with the programs of this Python instead of the image's programs."""
    return _with_local_program([*yaml.safe_load(instruction("ENTRYPOINT")), *SERVICES[name]["command"]])


def health_check(name: str) -> list[str]:
    """The health check of the service, with the programs of this Python."""
    kind, *check = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD"
    return _with_local_program(check)


def image_health_check() -> list[str]:
    """The health check of the Dockerfile, which applies where docker-compose.yml has no other."""
    return _with_local_program(json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2]))


def seconds(duration: str) -> float:
    match = re.fullmatch(r"(\d+)(s|m)", duration)
    assert match is not None, duration
    return float(match[1]) * {"s": 1, "m": 60}[match[2]]


def _with_local_program(words: list[str]) -> list[str]:
    program = shutil.which(words[0], path=str(Path(sys.executable).parent))
    assert program, words[0]
    return [program, *words[1:]]
