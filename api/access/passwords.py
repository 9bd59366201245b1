"""Checks passwords against their hashes, in threads."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from patient_visit_engine.api.access.sign_in_queue import HASHING_THREADS

#: Random bytes of a drawn password.
DRAWN_BYTES = 12
HASHER = PasswordHash((Argon2Hasher(),))


@cache
def _hash_of_no_password(hasher: PasswordHash) -> str:
    return hasher.hash(secrets.token_urlsafe())


def draw_password() -> str:
    """A random password that can be typed from a piece of paper: 16 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(DRAWN_BYTES)


class PasswordChecker:
    """Hashes in threads, so that the event loop goes on. `close` waits for the running checks."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="hashing")

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password has this hash. Without a hash, the check takes as long and returns False."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, password_hash, password)

    async def hash(self, password: str) -> str:
        """The hash under which a new password is stored."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, HASHER.hash, password)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        # An unknown name must take as long as a wrong password. Otherwise the time would reveal which names exist. So the other
        # hash is made with the first password of any kind.
        unknown = _hash_of_no_password(HASHER)
        matches = HASHER.verify(password, password_hash or unknown)
        return matches and password_hash is not None

    def close(self) -> None:
        self._threads.shutdown(wait=True)
