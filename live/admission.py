"""How many streams there may be, in all and of one user; it must not know what is read in them."""

from collections import Counter
from collections.abc import Iterator

from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.refusals import StreamRefusedError, StreamsExhaustedError, TooManyStreamsError
from patient_visit_engine.live.subscriber import Subscriber


class Admission:
    """The streams that are open."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._taken: set[Subscriber] = set()
        self._of_user: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._taken)

    def __iter__(self) -> Iterator[Subscriber]:
        """All of them as they are now; they may be given back meanwhile."""
        return iter(list(self._taken))

    def refusal(self, user: str) -> StreamRefusedError | None:
        """Why this user gets no further stream, if so."""
        if len(self._taken) >= self._limits.streams:
            return StreamsExhaustedError()
        if self._of_user[user] >= self._limits.streams_per_user:
            return TooManyStreamsError()
        return None

    def take(self, one: Subscriber) -> None:
        self._taken.add(one)
        self._of_user[one.reader.user] += 1

    def give_back(self, one: Subscriber) -> None:
        self._taken.discard(one)
        self._of_user[one.reader.user] -= 1
        if not self._of_user[one.reader.user]:
            # Users come and go for as long as the process lives: a zero for each would stay for ever.
            del self._of_user[one.reader.user]
