"""Checks passwords against their hashes, in threads."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from patient_visit_engine.api.access.sign_in_queue import HASHING_THREADS

HASHER = PasswordHash((Argon2Hasher(),))


class PasswordChecker:
    """Hashes in threads, so that the event loop goes on. `close` waits for the running checks."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="hashing")
        self._dummy_hash: str | None = None

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password has this hash. Without a hash, the check takes as long and returns False."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, password_hash, password)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        if password_hash is None:
            # An unknown name must take as long as a wrong password. Otherwise the time would reveal which names exist.
            self._dummy_hash = self._dummy_hash or HASHER.hash(secrets.token_urlsafe())
            HASHER.verify(password, self._dummy_hash)
            return False
        return HASHER.verify(password, password_hash)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
