"""Runs a command, and ends it when the supervisor's process ends. It imports no other module of the engine.

A supervisor that is killed with SIGKILL cannot stop its processes. On Linux the kernel does it: the death signal that is
requested here survives `exec`. On other systems the command just runs, in its own process group.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """`tether PARENT COMMAND ...`: `PARENT` is the process id of the parent."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        from ctypes import CDLL  # noqa: PLC0415

        CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have ended before the request reached the kernel.
        if os.getppid() != int(parent):
            raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
