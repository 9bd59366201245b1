"""The problems of a sign-in. `reason` is for the log and is not sent, because it would reveal which names exist."""

from math import ceil

from patient_visit_engine.api.problems import Problem

#: Seconds after which a client may come back when the queue was full. By then the queue has moved on.
BUSY_RETRY_SECONDS = 2


class SignInProblem(Problem):
    """A sign-in that failed, and why."""

    reason: str


class FailedPassword(SignInProblem):
    """A password that was wrong. It costs budget, because it may be a guess."""


class BadCredentials(FailedPassword):
    """There is no such account, or it is revoked, or the password is wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(401, "bad_credentials", "Name or password is wrong")
        self.reason = reason


class WrongPassword(FailedPassword):
    """A signed-in person wants to change the password, and the old one is wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(403, "wrong_password", "The old password is wrong")
        self.reason = reason


class TooManyAttempts(SignInProblem):
    """So many attempts failed that the next one must wait. `reason` names the budget that is used up, `wait` is in seconds."""

    def __init__(self, reason: str, wait: float) -> None:
        title = "Too many failed attempts to sign in"
        super().__init__(429, "too_many_attempts", title, headers={"Retry-After": str(max(1, ceil(wait)))})
        self.reason = reason


class SignInBusy(SignInProblem):
    """So many attempts wait for their check that no other one can wait."""

    def __init__(self, reason: str) -> None:
        title = "Too many people sign in at the moment. Try again"
        super().__init__(503, "sign_in_busy", title, headers={"Retry-After": str(BUSY_RETRY_SECONDS)})
        self.reason = reason
