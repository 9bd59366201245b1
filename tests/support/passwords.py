"""Hashes the passwords of accounts in tests."""

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

#: As weak as possible, so that the tests are fast. They test who may sign in, not the cost of a guess. The hash stores its cost, so
#: a sign-in with it takes as little time.
WEAK_HASH = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
