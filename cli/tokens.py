"""Signs bearer tokens with the system's own secret, for the commands that call the system over HTTP."""

import time
from pathlib import Path
from typing import Any

import jwt

from patient_visit_engine.cli.supervisor.data_dir import SECRET_FILE
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

VALID_SECONDS = 24 * 3600


def find_secret(settings: Settings, use: str) -> str:
    """The secret in the settings, or the one that `up` created in its data folder. `use` begins the error: "replay needs".

    Raises `OperatorError` when there is neither.
    """
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    path = Path(settings.data_dir) / SECRET_FILE
    try:
        return path.read_text()
    except OSError:
        raise OperatorError(
            f"VISIT_JWT_SECRET: {use} the API's secret to sign tokens, and there is none in {path} either", 2
        ) from None


def sign_token(settings: Settings, secret: str, **claims: Any) -> str:
    """A token with these claims, which the system of these settings accepts for a day."""
    common_claims: dict[str, Any] = {"exp": int(time.time()) + VALID_SECONDS}
    if settings.jwt_issuer is not None:
        common_claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience is not None:
        common_claims["aud"] = settings.jwt_audience
    return jwt.encode({**common_claims, **claims}, secret, "HS256")
