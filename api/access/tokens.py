"""What a bearer token says of the program that carries it; it must not know routes, and asks nobody but the key server."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

import jwt
from jwt import PyJWKClient
from jwt.exceptions import PyJWKClientConnectionError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from patient_visit_engine.api.access.sessions import TOKEN, Caller
from patient_visit_engine.api.problems import Problem, Unavailable
from patient_visit_engine.api.schema.bodies import Id, Name, printable
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.visit.codes import Role

BY_SECRET = ["HS256"]
BY_PUBLIC_KEY = ["RS256", "ES256"]
#: Seconds that the key server is given, for which its keys are kept, and between two looks for an unknown key.
KEYS_TIMEOUT, KEYS_KEPT_FOR, KEYS_COOLDOWN = 5.0, 300.0, 30.0
#: For how many seconds, and for how many tokens at once, a check once made is believed: a program sends the same one with each call.
BELIEVED_FOR, BELIEVED_AT_ONCE = 300.0, 10_000
#: Far beyond any token, and before `datetime` ends.
LATEST_EXPIRY = 32_503_680_000


class Claims(BaseModel):
    """The claims that every token carries; what else it says is ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    # Not trimmed, as a name is: two subjects that differ in a space are two callers.
    sub: Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(printable)]
    exp: Annotated[float, Field(strict=True, gt=0, lt=LATEST_EXPIRY, allow_inf_nan=False)]
    role: Role
    name: Name
    doctor_id: Id | None = None

    @model_validator(mode="after")
    def _a_doctor_is_named(self) -> "Claims":
        if self.role is Role.doctor and self.doctor_id is None:
            raise ValueError("doctor_id is required")
        return self


class Tokens:
    """Checks bearer tokens by the settings' secret or key server; `now` gives the moment that expiry is measured at."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._now = now
        self._secret = None if settings.jwt_secret is None else settings.jwt_secret.get_secret_value()
        self._keys: PyJWKClient | None = None
        if settings.jwt_jwks_url is not None:
            self._keys = PyJWKClient(
                settings.jwt_jwks_url,
                lifespan=KEYS_KEPT_FOR,
                timeout=KEYS_TIMEOUT,
                cooldown_duration=KEYS_COOLDOWN,
            )
        self._believed: dict[bytes, tuple[datetime, Caller]] = {}
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience

    async def caller(self, token: str) -> Caller:
        """Who carries the token. Raises Problem 401 `bad_token`, or 503 when the key server does not answer."""
        now = self._now()
        # Under its digest: the tokens of all callers have no place in a process's memory.
        known_as = sha256(token.encode()).digest()
        until, caller = self._believed.get(known_as, (now, None))
        if caller is None or until <= now:
            caller = await self._checked(token)
            if len(self._believed) >= BELIEVED_AT_ONCE:
                self._believed.clear()
            # A key that its server has withdrawn must not be believed for as long as its tokens last.
            self._believed[known_as] = (now + timedelta(seconds=BELIEVED_FOR), caller)
        if caller.expires_at <= now:
            raise bad_token()
        return caller

    async def _checked(self, token: str) -> Caller:
        try:
            claims = Claims.model_validate(await self._verified(token))
        except PyJWKClientConnectionError:
            raise Unavailable from None
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError, OverflowError, RecursionError):
            raise bad_token() from None
        doctor_id = claims.doctor_id if claims.role is Role.doctor else None
        subject = f"{TOKEN}{claims.sub}"
        return Caller(
            subject=subject,
            created_by=claims.sub,
            name=claims.name,
            role=claims.role,
            doctor_id=doctor_id,
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
            session=subject,
            by_cookie=False,
        )

    async def _verified(self, token: str) -> Mapping[str, Any]:
        if self._keys is not None:
            # The first look, and any for an unknown key, goes over the network: never on the event loop.
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            return self._decode(token, key, BY_PUBLIC_KEY)
        if self._secret is None:
            raise bad_token()
        return self._decode(token, self._secret, BY_SECRET)

    def _decode(self, token: str, key: Any, algorithms: list[str]) -> Mapping[str, Any]:
        required = ["exp", "sub", "role", "name"]
        required += ["iss"] if self._issuer is not None else []
        required += ["aud"] if self._audience is not None else []
        # Expiry is measured by our own clock, below: two clocks would disagree about one token.
        checks: Any = {
            "require": required,
            "verify_exp": False,
            "verify_aud": self._audience is not None,
            "verify_iss": self._issuer is not None,
        }
        return jwt.decode(
            token, key, algorithms=algorithms, options=checks, issuer=self._issuer, audience=self._audience, leeway=0
        )


def bad_token() -> Problem:
    """The token is not one, or holds no more; nothing of it is told."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Problem(401, "bad_token", "The bearer token is not valid", headers=challenge)
