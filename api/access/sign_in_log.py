"""Logs and counts sign-ins: one line for each failed one, a bounded number of lines, and never a password or a typed name."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from patient_visit_engine.api.access.sign_in_problems import SignInProblem

logger = structlog.get_logger(__name__)

#: Lines in a minute, for one address and for all. An attacker must not fill the disk, nor hide other lines.
WINDOW = timedelta(minutes=1)
MAX_LINES_PER_ADDRESS = 10
MAX_LINES = 60
#: The reasons of a 401.
NO_ACCOUNT, WRONG_PASSWORD = "no account", "wrong password"


class LineLimit:
    """Decides which lines are written in each minute, and counts the others."""

    def __init__(self) -> None:
        self._window_ends: datetime | None = None
        self._lines: Counter[str] = Counter()
        self._suppressed = 0

    def admit(self, network: str, now: datetime) -> bool:
        """Whether one more line of this address may be written."""
        # The second comparison is for a step of the clock back in time, after which no line would be written for long.
        if self._window_ends is None or not now < self._window_ends <= now + WINDOW:
            self._window_ends = now + WINDOW
            self._lines.clear()
        if self._lines.total() >= MAX_LINES or self._lines[network] >= MAX_LINES_PER_ADDRESS:
            self._suppressed += 1
            return False
        self._lines[network] += 1
        return True

    def take_suppressed(self) -> int:
        """The number of lines that were not written since the last call."""
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed


class SignInLog:
    """`count` counts a result: `signed_in`, or the code of the problem. `now` returns the current time."""

    def __init__(self, count: Callable[[str], None], now: Callable[[], datetime]) -> None:
        self.count = count
        self._now = now
        self._limit = LineLimit()
        self._has_written_ignored_proxy = False

    def admits_line(self, network: str) -> bool:
        """Whether a failure at this address gets a line. The others are counted in the next line."""
        return self._limit.admit(network, self._now())

    def write(self, problem: SignInProblem, address: str, account: int | None) -> None:
        """Log a failed sign-in. `account` is the number of the account with the typed name, if there is one.

        The typed name is left out, because people type passwords into the field of the name.
        """
        reason = "revoked account" if problem.reason == NO_ACCOUNT and account is not None else problem.reason
        more = {"suppressed_lines": suppressed} if (suppressed := self._limit.take_suppressed()) else {}
        logger.warning(
            "sign-in failed", code=problem.code, reason=reason, address=address[:64], account=account, **more
        )

    def write_ignored_proxy(self, address: str) -> None:
        """Log once in a process that `X-Forwarded-For` is ignored, because then all clients have the proxy's address."""
        if not self._has_written_ignored_proxy:
            self._has_written_ignored_proxy = True
            hint = "if a proxy has this address, set VISIT_TRUSTED_PROXIES to it"
            logger.warning("X-Forwarded-For is ignored", address=address[:64], hint=hint)
