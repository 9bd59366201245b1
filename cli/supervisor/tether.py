"""A program of its own: becomes the command it is given, and dies with the process that started it; it must import nothing of ours.

A supervisor that is killed outright cannot stop its parts. On Linux the kernel does it: the death signal that is asked for
here survives `exec`. Elsewhere the command just runs, in a process group of its own.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """`tether PARENT COMMAND ...`"""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        from ctypes import CDLL  # noqa: PLC0415

        CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the kernel was told.
        if os.getppid() != int(parent):
            raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
