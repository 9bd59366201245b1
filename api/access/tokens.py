"""Bearer tokens (JWT) of programs: checks the signature and the claims. Calls only the key server."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from patient_visit_engine.api.access.key_server import KeyServer
from patient_visit_engine.api.access.sessions import TOKEN_PREFIX, Caller
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.schema.fields import Id, Name, printable
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.visit.codes import Role

SECRET_ALGORITHMS = ["HS256"]
PUBLIC_KEY_ALGORITHMS = ["RS256", "ES256"]
#: How long a checked token stays in the cache (seconds), and how many tokens fit. A program sends the same token with each call.
CACHE_SECONDS, CACHE_SIZE = 300.0, 10_000
#: The year 3000: later than any real token expires, and within the range of `datetime`.
LATEST_EXPIRY = 32_503_680_000


class Claims(BaseModel):
    """The claims that are read from a token. Other claims are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    # Names are trimmed, but subjects are not. Two subjects that differ in a space are two callers.
    sub: Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(printable)]
    exp: Annotated[float, Field(strict=True, gt=0, lt=LATEST_EXPIRY, allow_inf_nan=False)]
    role: Role
    name: Name
    doctor_id: Id | None = None

    @model_validator(mode="after")
    def _require_doctor_id(self) -> "Claims":
        if self.role is Role.doctor and self.doctor_id is None:
            raise ValueError("doctor_id is required")
        return self


class Tokens:
    """Checks bearer tokens with the secret or the key server from the settings. `now` returns the time for expiry."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._now = now
        self._secret = None if settings.jwt_secret is None else settings.jwt_secret.get_secret_value()
        self.key_server = None if settings.jwt_jwks_url is None else KeyServer(settings.jwt_jwks_url, now)
        self._cache: dict[bytes, tuple[datetime, Caller]] = {}
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience

    async def authenticate(self, token: str) -> Caller:
        """Return the caller with this token. Raises Problem 401 `bad_token`, or 503 when the key server does not answer."""
        now = self._now()
        # The key is a digest, so that the process does not keep the tokens of all callers in memory.
        digest = sha256(token.encode()).digest()
        valid_until, caller = self._cache.get(digest, (now, None))
        if caller is None or valid_until <= now:
            caller = await self._check(token)
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            # Limited in time, because the key server may withdraw a key before the tokens signed with it expire.
            self._cache[digest] = (now + timedelta(seconds=CACHE_SECONDS), caller)
        if caller.expires_at <= now:
            raise bad_token()
        return caller

    async def _check(self, token: str) -> Caller:
        try:
            claims = Claims.model_validate(await self._verify(token))
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError, OverflowError, RecursionError):
            raise bad_token() from None
        doctor_id = claims.doctor_id if claims.role is Role.doctor else None
        subject = f"{TOKEN_PREFIX}{claims.sub}"
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

    async def _verify(self, token: str) -> Mapping[str, Any]:
        if self.key_server is not None:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self.key_server.find(key_id) if isinstance(key_id, str) else None
            if key is None:
                raise bad_token()
            return self._decode(token, key, PUBLIC_KEY_ALGORITHMS)
        if self._secret is None:
            raise bad_token()
        return self._decode(token, self._secret, SECRET_ALGORITHMS)

    def _decode(self, token: str, key: Any, algorithms: list[str]) -> Mapping[str, Any]:
        required = ["exp", "sub", "role", "name"]
        required += ["iss"] if self._issuer is not None else []
        required += ["aud"] if self._audience is not None else []
        # `authenticate` checks the expiry with `now`. With a second clock, two answers about one token could differ.
        options: Any = {
            "require": required,
            "verify_exp": False,
            "verify_aud": self._audience is not None,
            "verify_iss": self._issuer is not None,
        }
        return jwt.decode(
            token, key, algorithms=algorithms, options=options, issuer=self._issuer, audience=self._audience, leeway=0
        )


def bad_token() -> Problem:
    """The problem for an invalid or expired token. It gives no details of the token."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Problem(401, "bad_token", "The bearer token is not valid", headers=challenge)
