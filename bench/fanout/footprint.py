"""What a server and its child processes cost, as Linux tells; it must not know what they serve."""

import os
import re
from pathlib import Path

from bench.processes import cpu_seconds

RESIDENT = re.compile(r"^VmRSS:\s*(\d+) kB", re.MULTILINE)


def family(pid: int) -> list[int]:
    """The process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def computed(pid: int) -> float:
    """Seconds that the family has computed so far, in steps of a clock tick."""
    return sum(cpu_seconds(one) or 0.0 for one in family(pid))


def waited(pid: int) -> float:
    """Seconds that the process was ready and had no core, because others computed; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def resident(pid: int) -> int:
    """KiB that the family holds in memory."""
    return sum(int(found[1]) for one in family(pid) if (found := RESIDENT.search(_status(one))))


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def room(connections: int) -> str | None:
    """What to do when so many connections cannot be open in one process here; None when they can."""
    needed = connections + 100
    most = os.sysconf("SC_OPEN_MAX")
    return None if most >= needed else f"{connections} connections need `ulimit -n {needed}`; it is {most}"
