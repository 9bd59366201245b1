"""Signs the bearer tokens of a replay's doctors and programs with the system's own secret."""

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt

from patient_visit_engine.cli.supervisor.data_dir import SECRET_FILE
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

VALID_SECONDS = 24 * 3600


def find_secret(settings: Settings) -> str:
    """The secret in the settings, or the one that `up` created in its data folder.

    Raises `OperatorError` when there is neither.
    """
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    path = Path(settings.data_dir) / SECRET_FILE
    try:
        return path.read_text()
    except OSError:
        raise OperatorError(
            f"VISIT_JWT_SECRET: replay needs the API's secret to sign tokens, and there is none in {path} either", 2
        ) from None


class Tokens:
    """Request headers for each caller. `doctor_names` maps a doctor's id to the name in the token."""

    def __init__(self, settings: Settings, secret: str, doctor_names: Mapping[int, str]) -> None:
        common_claims: dict[str, Any] = {"exp": int(time.time()) + VALID_SECONDS}
        if settings.jwt_issuer is not None:
            common_claims["iss"] = settings.jwt_issuer
        if settings.jwt_audience is not None:
            common_claims["aud"] = settings.jwt_audience

        @cache
        def sign(role: str, doctor_id: int | None) -> str:
            if doctor_id is None:
                claims: dict[str, Any] = {"sub": f"replay-{role}", "role": role, "name": role}
            else:
                claims = {"sub": f"replay-{role}-{doctor_id}", "role": role, "name": doctor_names[doctor_id]}
                claims["doctor_id"] = doctor_id
            return jwt.encode({**common_claims, **claims}, secret, "HS256")

        self.sign = sign

    def service_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('service', None)}"}

    def doctor_headers(self, doctor_id: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('doctor', doctor_id)}"}
