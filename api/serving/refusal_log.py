"""Logs refused connections: one line for each code, and at most one a minute. A flood must not fill the log."""

import logging
from collections import Counter

from patient_visit_engine.runtime.open_files import OpenFileLimit

logger = logging.getLogger(__name__)

#: Seconds between two lines with the same code.
LOG_INTERVAL = 60.0


class RefusalLog:
    """`per_address` and `open_files` are the limits that the lines name."""

    def __init__(self, per_address: int, open_files: OpenFileLimit | None) -> None:
        self._advice = {"too_many_connections": f" (VISIT_CONNECTIONS_PER_ADDRESS is {per_address})"}
        self._open_files = open_files
        self._next_line_at: dict[str, float] = {}
        self._unlogged: Counter[str] = Counter()

    def note(self, code: str, host: str, now: float) -> None:
        """Log one refusal, or count it for the next line. `now` is the loop's time."""
        self._unlogged[code] += 1
        if now < self._next_line_at.get(code, now):
            return
        self._next_line_at[code] = now + LOG_INTERVAL
        count = self._unlogged.pop(code)
        if code == "connections_exhausted" and self._open_files is not None:
            logger.error("refused %d connections: %s", count, self._open_files.advice)
        else:
            logger.warning("refused %d times: %s, last from %s%s", count, code, host, self._advice.get(code, ""))
