"""CPU time and memory of a server with its child processes, read from /proc."""

import os
import re
from pathlib import Path

from bench.processes import cpu_seconds

RESIDENT = re.compile(r"^VmRSS:\s*(\d+) kB", re.MULTILINE)


def with_children(pid: int) -> list[int]:
    """The process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def total_cpu_seconds(pid: int) -> float:
    """CPU seconds of the process and its children since their start, in steps of a clock tick."""
    return sum(cpu_seconds(process) or 0.0 for process in with_children(pid))


def seconds_without_core(pid: int) -> float:
    """Seconds that the process was ready to run but had no core. 0 where the kernel does not report it."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def resident_kib(pid: int) -> int:
    """KiB of resident memory of the process and its children."""
    matches = (RESIDENT.search(Path(f"/proc/{process}/status").read_text()) for process in with_children(pid))
    return sum(int(match[1]) for match in matches if match)


def open_file_limit_error(connections: int) -> str | None:
    """What to do when one process cannot open this many connections. None when it can."""
    needed = connections + 100
    limit = os.sysconf("SC_OPEN_MAX")
    if limit >= needed:
        return None
    return f"{connections} connections need `ulimit -n {needed}`, but the limit is {limit}"
