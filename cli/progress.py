"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: Seconds between two plain lines, so that a log file does not fill.
LINE_INTERVAL_SECONDS = 5.0


class ProgressDisplay:
    """Shows the progress of one task after another. Calls to `advance` are cheap."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=console)
        self._name = ""
        self._done = 0
        self._total = 0
        self._last_line_at = 0.0

    def __enter__(self) -> "ProgressDisplay":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, name: str, total: int) -> None:
        """Start the next task, which has `total` steps."""
        self._name, self._done, self._total, self._last_line_at = name, 0, total, time.monotonic()
        if self._bar is not None:
            self._bar.add_task(name, total=total)

    def advance(self, steps: int = 1, *, note: str = "") -> None:
        """Count `steps` more as done. `note` is printed after the task's name."""
        self._done += steps
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], advance=steps, description=f"{self._name} {note}".strip())
        elif self._done == self._total or time.monotonic() - self._last_line_at > LINE_INTERVAL_SECONDS:
            self._last_line_at = time.monotonic()
            self._console.print(f"{self._name}: {self._done} of {self._total} {note}".rstrip(), highlight=False)
