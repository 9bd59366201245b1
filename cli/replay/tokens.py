"""Signs the bearer tokens of a replay's doctors and programs."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from patient_visit_engine.cli.tokens import sign_token
from patient_visit_engine.runtime.settings import Settings


class Tokens:
    """Request headers for each caller. `doctor_names` maps a doctor's id to the name in the token."""

    def __init__(self, settings: Settings, secret: str, doctor_names: Mapping[int, str]) -> None:
        @cache
        def sign(role: str, doctor_id: int | None) -> str:
            if doctor_id is None:
                claims: dict[str, Any] = {"sub": f"replay-{role}", "role": role, "name": role}
            else:
                claims = {"sub": f"replay-{role}-{doctor_id}", "role": role, "name": doctor_names[doctor_id]}
                claims["doctor_id"] = doctor_id
            return sign_token(settings, secret, **claims)

        self.sign = sign

    def service_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('service', None)}"}

    def doctor_headers(self, doctor_id: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('doctor', doctor_id)}"}
