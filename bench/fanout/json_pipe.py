"""Requests and replies between the benchmark and its child processes: one JSON object per line, over stdin and stdout."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from time import monotonic
from typing import Any

Message = dict[str, Any]
CHUNK_BYTES = 1 << 16


class NoReplyError(Exception):
    """A child process of the benchmark ended, or did not reply in time."""


class JsonPipe:
    """The benchmark's end of the pipe. All methods block."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._name = name
        self._stdin = process.stdin
        self._stdout = process.stdout.fileno()
        self._received = b""

    def request(self, timeout: float, /, **message: Any) -> Message:
        """Send a message and wait for the reply. Raises `NoReplyError` after `timeout` seconds."""
        self.send(**message)
        return self.receive(timeout)

    def send(self, **message: Any) -> None:
        """Send a message without waiting. Raises `NoReplyError` when the process has ended."""
        try:
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise NoReplyError(f"{self._name} has ended") from None

    def receive(self, timeout: float) -> Message:
        """The next reply. Raises `NoReplyError` after `timeout` seconds."""
        deadline = monotonic() + timeout
        while b"\n" not in self._received:
            if not select.select([self._stdout], [], [], max(0.0, deadline - monotonic()))[0]:
                raise NoReplyError(f"{self._name} did not reply within {timeout:.0f} s")
            chunk = os.read(self._stdout, CHUNK_BYTES)
            if not chunk:
                raise NoReplyError(f"{self._name} has ended")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        reply: Message = json.loads(line)
        return reply


def read_requests() -> Iterator[Message]:
    """In the child process: the messages, until the benchmark closes the pipe."""
    for line in sys.stdin.buffer:
        yield json.loads(line)


def send_reply(**message: Any) -> None:
    """In the child process: reply to the newest message."""
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()
