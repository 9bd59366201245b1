"""The limit of open files of this process. Each connection is an open file."""

import resource
from dataclasses import dataclass

from patient_visit_engine.runtime.operator_error import OperatorError

#: No process raises its limit beyond this. Ten thousand streams, the database and a reserve fit well below it. In some containers the
#: hard limit is a thousand million, and then programs that go through all numbers take minutes.
MOST_OPEN_FILES = 65_536
#: The share of the limit that is kept for the database, the log and Temporal, and its bounds.
RESERVE_SHARE = 0.1
MIN_RESERVE, MAX_RESERVE = 32, 256
#: With fewer, a process cannot open its database, its log and its connection to Temporal.
FEWEST_OPEN_FILES = 100
REMEDY = (
    "Raise the limit of open files: LimitNOFILE of the systemd unit, ulimits.nofile of the container, or `ulimit -n`"
)


@dataclass(frozen=True, slots=True)
class OpenFileLimit:
    """How many files may be open, and how many of them are not for clients."""

    limit: int
    reserve: int

    def is_nearly_reached(self, descriptor: int) -> bool:
        """Whether a new file with this number leaves less than the reserve."""
        return descriptor >= self.limit - self.reserve

    @property
    def advice(self) -> str:
        """What is wrong and what to do."""
        return f"all but {self.reserve} of the {self.limit} files that this process may open are open. {REMEDY}"


def raise_open_file_limit() -> OpenFileLimit:
    """Raise this process's limit as far as it may without help, and return the limit that is now in force.

    Raises OperatorError when it is too low for this program.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < highest:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
            soft = highest
        except (OSError, ValueError):
            # A sandbox may forbid the call. The process then works with the limit that it has.
            pass
    limit = MOST_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    if limit < FEWEST_OPEN_FILES:
        raise OperatorError(f"this process may open only {limit} files, and needs {FEWEST_OPEN_FILES}. {REMEDY}", 2)
    return OpenFileLimit(limit, round(min(max(RESERVE_SHARE * limit, MIN_RESERVE), MAX_RESERVE)))
