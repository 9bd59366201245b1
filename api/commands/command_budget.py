"""How many commands each user may send, counted in the memory of this process."""

from collections.abc import Callable
from datetime import datetime
from math import ceil

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.visit.codes import Role

#: Seconds after which a whole budget is there again.
REFILL_SECONDS = 60.0
#: How many users a process counts. Beyond it, the user whose last command is the oldest gets a new budget.
MAX_USERS = 10_000
#: Seconds. Times are cut to milliseconds, and without this the sum of many parts of a minute would be a little more than a minute.
ROUNDING = 1e-3


class TooManyCommands(Problem):
    """The user has sent more commands than the budget allows. `wait` is the time in seconds until the next one."""

    def __init__(self, wait: float) -> None:
        title = "You have sent too many commands in a short time"
        super().__init__(429, "too_many_commands", title, headers={"Retry-After": str(max(1, ceil(wait - ROUNDING)))})


class CommandBudget:
    """A user may send `per_minute` commands at once, and gets them back evenly within a minute. With 0 there is no limit.

    A program with the role `service` has no limit, because a feed sends for the whole hospital. `now` returns the current time,
    aware.
    """

    def __init__(self, per_minute: int, now: Callable[[], datetime], max_users: int = MAX_USERS) -> None:
        self._seconds_for_one = REFILL_SECONDS / per_minute if per_minute else 0.0
        self._now = now
        self._max_users = max_users
        # The time at which each user's budget is whole again. The last one is of the user with the newest command.
        self._whole_at: dict[str, float] = {}

    def spend(self, caller: Caller) -> None:
        """Take one command from the caller's budget. Raises Problem 429 `too_many_commands`, which costs nothing."""
        if not self._seconds_for_one or caller.role is Role.service:
            return
        now = self._now().timestamp()
        whole_at = max(now, self._whole_at.pop(caller.subject, now))
        # After a step of the clock back in time, no one must wait for the size of the step.
        whole_at = min(whole_at, now + REFILL_SECONDS)
        wait = whole_at + self._seconds_for_one - (now + REFILL_SECONDS)
        is_refused = wait > ROUNDING
        self._whole_at[caller.subject] = whole_at if is_refused else whole_at + self._seconds_for_one
        if len(self._whole_at) > self._max_users:
            del self._whole_at[next(iter(self._whole_at))]
        if is_refused:
            raise TooManyCommands(wait)
