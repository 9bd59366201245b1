"""Signs the bearer tokens of a replay's staff and programs."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from patient_visit_engine.cli.replay.staff_actions import StaffMember
from patient_visit_engine.cli.tokens import sign_token
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.visit.codes import Role


class Tokens:
    """Request headers for each caller. `doctor_names` maps a doctor's id to the name in the token."""

    def __init__(self, settings: Settings, secret: str, doctor_names: Mapping[int, str]) -> None:
        @cache
        def sign(role: str, number: int | None) -> str:
            claims: dict[str, Any] = {"sub": f"replay-{role}", "role": role, "name": role}
            if number is not None:
                claims["sub"] = f"replay-{role}-{number}"
                claims["name"] = f"{role} {number}"
            if number is not None and role == Role.doctor:
                claims |= {"name": doctor_names[number], "doctor_id": number}
            return sign_token(settings, secret, **claims)

        self.sign = sign

    def service_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('service', None)}"}

    def staff_headers(self, staff: StaffMember) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign(staff.role.value, staff.number)}"}

    def doctor_headers(self, doctor_id: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign('doctor', doctor_id)}"}
