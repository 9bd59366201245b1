"""The bearer tokens that a replay's doctors and programs carry, signed with the system's own secret; it must not know who checks them."""

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt

from patient_visit_engine.cli.supervisor.data_dir import SECRET_FILE
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

HOLDS_FOR = 24 * 3600


def secret_of(settings: Settings) -> str:
    """The secret set, or the one that `up` made in its data directory; raises `OperatorError` when there is none to sign with."""
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    path = Path(settings.data_dir) / SECRET_FILE
    try:
        return path.read_text()
    except OSError:
        raise OperatorError(
            f"VISIT_JWT_SECRET: replay signs tokens and needs the API's secret; there is none in {path} either", 2
        ) from None


class Tokens:
    """Request headers for each caller; `names` are the doctors' by id."""

    def __init__(self, settings: Settings, secret: str, names: Mapping[int, str]) -> None:
        common: dict[str, Any] = {"exp": int(time.time()) + HOLDS_FOR}
        if settings.jwt_issuer is not None:
            common["iss"] = settings.jwt_issuer
        if settings.jwt_audience is not None:
            common["aud"] = settings.jwt_audience

        @cache
        def sign(role: str, doctor_id: int | None) -> str:
            who = role if doctor_id is None else f"{role}-{doctor_id}"
            name = role if doctor_id is None else names[doctor_id]
            own = {} if doctor_id is None else {"doctor_id": doctor_id}
            return jwt.encode({**common, "sub": f"replay-{who}", "role": role, "name": name, **own}, secret, "HS256")

        self.sign = sign

    def service(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('service', None)}"}

    def doctor(self, doctor_id: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('doctor', doctor_id)}"}
