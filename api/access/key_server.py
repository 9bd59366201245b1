"""The public keys of the hospital's key server: one fetch at a time, in the background while there are usable keys."""

import asyncio
import json
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx
import structlog
from jwt import PyJWK, PyJWKSet

from patient_visit_engine.api.problems import Unavailable

logger = structlog.get_logger(__name__)

#: Seconds for one fetch from the first to the last byte. A server that sends a byte now and then does not get more.
FETCH_TIMEOUT_SECONDS = 5.0
#: The largest answer. A key has about 2 KiB with its certificate.
MAX_ANSWER_BYTES = 256 * 1024
#: How often the keys are fetched again in the background. A key that the server withdraws is valid for so long.
KEYS_LIFETIME = timedelta(minutes=5)
#: How long keys are used while no fetch succeeds. A night without key server stops no program. Longer is a risk, because a
#: withdrawn key stays valid for so long.
KEYS_USABLE_FOR = timedelta(hours=12)
#: The time between two fetches that unknown keys cause, after a success and after a failure. Anyone can invent a key id.
COOLDOWN = timedelta(seconds=30)
COOLDOWN_AFTER_FAILURE = timedelta(seconds=5)


class KeyServer:
    """Finds keys by their id. `now` returns the current time, aware. Belongs to one event loop."""

    def __init__(self, url: str, now: Callable[[], datetime]) -> None:
        self._url = url
        self._now = now
        # The authorities that this machine trusts, because a hospital often signs the certificate of its key server itself.
        self._verify = ssl.create_default_context() if urlsplit(url).scheme == "https" else False
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._has_failed = False
        self._fetch_task: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> PyJWK | None:
        """Return the key with this id, or None when the server does not have it.

        A known key is returned immediately, also while the server does not answer. An unknown one waits for the fetch. Raises
        `Unavailable` when it is not certain whether the server has the key.
        """
        self._drop_old_keys()
        key = self._keys.get(key_id)
        if key is not None:
            if self._is_older_than(KEYS_LIFETIME):
                self.fetch_soon()
            return key
        if (fetch := self.fetch_soon()) is not None:
            # Shielded, because other requests wait for the same fetch.
            await asyncio.shield(fetch)
        if key_id not in self._keys and (self._has_failed or self._fetched_at is None):
            raise Unavailable
        return self._keys.get(key_id)

    def fetch_soon(self) -> asyncio.Task[None] | None:
        """Return the running fetch, or begin one. None in the cool-down after the last one."""
        if self._fetch_task is not None and not self._fetch_task.done():
            return self._fetch_task
        pause = COOLDOWN_AFTER_FAILURE if self._has_failed else COOLDOWN
        # Not below zero: after a step of the clock back in time, the cool-down would last as long as the step.
        if self._tried_at is not None and timedelta(0) <= self._now() - self._tried_at < pause:
            return None
        self._fetch_task = asyncio.create_task(self._fetch())
        return self._fetch_task

    async def keep_fresh(self) -> None:
        """Fetch the keys now and every few minutes, until cancelled. So also after a quiet night the keys are not old."""
        while True:
            if (fetch := self.fetch_soon()) is not None:
                await asyncio.shield(fetch)
            await asyncio.sleep(KEYS_LIFETIME.total_seconds())

    def close(self) -> None:
        """Stop the running fetch."""
        if self._fetch_task is not None:
            self._fetch_task.cancel()

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_SECONDS):
                answer = await self._read_answer()
            self._keys = _usable_keys(answer)
            self._fetched_at = self._now()
            self._has_failed = False
        except Exception as error:  # noqa: BLE001 - the answer of another system can fail in any way
            self._has_failed = True
            reason = str(error) if isinstance(error, UnusableAnswerError) else type(error).__name__
            hint = "check VISIT_JWT_JWKS_URL and the key server"
            logger.warning(
                "the keys for bearer tokens cannot be fetched", reason=reason, keys=len(self._keys), hint=hint
            )
        finally:
            self._tried_at = self._now()

    async def _read_answer(self) -> bytes:
        # Redirects are not followed, because they could lead to an address that the setting does not allow.
        async with (
            httpx.AsyncClient(verify=self._verify, timeout=FETCH_TIMEOUT_SECONDS) as client,
            client.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != 200:
                raise UnusableAnswerError(f"status {response.status_code}")
            answer = bytearray()
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise UnusableAnswerError(f"more than {MAX_ANSWER_BYTES} bytes")
            return bytes(answer)

    def _drop_old_keys(self) -> None:
        if self._keys and self._is_older_than(KEYS_USABLE_FOR):
            self._keys = {}
            self._has_failed = True

    def _is_older_than(self, age: timedelta) -> bool:
        return self._fetched_at is None or self._now() - self._fetched_at >= age


class UnusableAnswerError(Exception):
    """The key server answered, but not with keys. The text says why, and quotes nothing of the answer."""


def _usable_keys(answer: bytes) -> dict[str, PyJWK]:
    """The keys for signatures, by id. Raises `UnusableAnswerError` when there are none."""
    try:
        key_set = PyJWKSet.from_dict(json.loads(answer))
    except Exception:  # noqa: BLE001 - the parser raises many kinds of errors, and the text is foreign
        raise UnusableAnswerError("the answer is not a JSON Web Key Set") from None
    keys = {
        key.key_id: key
        for key in key_set.keys
        if isinstance(key.key_id, str) and key.public_key_use in ("sig", None) and key.key_type in ("RSA", "EC")
    }
    if not keys:
        raise UnusableAnswerError("no key for signatures with an id")
    return keys
