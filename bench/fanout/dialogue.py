"""One JSON line asked, one answered, between the benchmark and a process of its own; it must not know what is asked."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from time import monotonic
from typing import Any

Message = dict[str, Any]
PORTION = 1 << 16


class SilentError(Exception):
    """A process of the benchmark's own that ended or did not answer in time."""


class Dialogue:
    """The benchmark's end. Blocks: while it waits for an answer, it has nothing else to do."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._name = name
        self._to = process.stdin
        self._from = process.stdout.fileno()
        self._received = b""

    def ask(self, within: float, /, **message: Any) -> Message:
        """Send and wait. Raises `SilentError`."""
        self.say(**message)
        return self.hear(within)

    def say(self, **message: Any) -> None:
        """Send, and wait for nothing."""
        try:
            self._to.write(json.dumps(message).encode() + b"\n")
            self._to.flush()
        except BrokenPipeError:
            raise SilentError(f"{self._name} has ended") from None

    def hear(self, within: float) -> Message:
        """The next answer. Raises `SilentError` after `within` seconds."""
        end = monotonic() + within
        while b"\n" not in self._received:
            if not select.select([self._from], [], [], max(0.0, end - monotonic()))[0]:
                raise SilentError(f"{self._name} did not answer within {within:.0f} s")
            portion = os.read(self._from, PORTION)
            if not portion:
                raise SilentError(f"{self._name} has ended")
            self._received += portion
        line, _, self._received = self._received.partition(b"\n")
        answer: Message = json.loads(line)
        return answer


def asked() -> Iterator[Message]:
    """The other end: what is asked, until the benchmark is done."""
    for line in sys.stdin.buffer:
        yield json.loads(line)


def answer(**message: Any) -> None:
    """Answer what was asked last."""
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()
