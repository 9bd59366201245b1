"""docker-compose.yml and the Dockerfile as tests read them, and a container of ours as a plain process; it must not know an engine."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("visit-engine:")}
JOBS = {name for name, service in SERVICES.items() if service["restart"] == "on-failure:5"}
VARIABLE = re.compile(r"\$\{(\w+)(:[-?])?([^}]*)\}")
#: What a settings file of the test says.
SAID = {"VISIT_TIMEZONE": "Europe/Paris", "SITE_ADDRESS": "localhost"}


def instruction(name: str) -> str:
    """The last one of that name in the Dockerfile, which is the one in force."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)[-1]


def environment(name: str) -> dict[str, str]:
    """What the service's processes are given: what has no value is not set."""
    image = dict(pair.split("=", 1) for pair in shlex.split(instruction("ENV")) if pair.startswith("VISIT_"))
    given = {key: value for key, value in SERVICES[name]["environment"].items() if value is not None}
    return image | {key: VARIABLE.sub(lambda found: SAID[found[1]], value) for key, value in given.items()}


def command(name: str) -> list[str]:
    """What the container runs, with the programs of this Python in place of the image's."""
    return _here([*yaml.safe_load(instruction("ENTRYPOINT")), *SERVICES[name]["command"]])


def health_check(name: str) -> list[str]:
    kind, *asked = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD"
    return _here(asked)


def images_health_check() -> list[str]:
    """What the image asks where no Compose file says otherwise."""
    return _here(json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2]))


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1, "m": 60}[unit]


def _here(asked: list[str]) -> list[str]:
    program = shutil.which(asked[0], path=str(Path(sys.executable).parent))
    assert program, asked[0]
    return [program, *asked[1:]]
