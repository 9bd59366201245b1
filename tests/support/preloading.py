"""A process that has imported the programs of the tests and forks one for each order, because their imports take over a second.

Usage: `preloading.py FD`. An order is one message on that socket. See `preloaded.py`, which sends them.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from patient_visit_engine.runtime.importing import import_quickly

#: More bytes than an order has, with all variables of its environment.
LARGEST_ORDER = 2**17


def main() -> None:
    """Fork until the test process ends. Each fork returns from `serve` with its order and runs the program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = serve(socket.socket(fileno=int(sys.argv[1])))
    if order is not None:
        run_program(order)


def serve(orders: socket.socket) -> dict[str, Any] | None:
    """Carry out the orders. Returns the order in a new process, and None in this one when the test process has ended."""
    with orders:
        while True:
            message, files, _, _ = socket.recv_fds(orders, LARGEST_ORDER, 3)
            if not message:
                return None
            order: dict[str, Any] = json.loads(message)
            if "ended" in order:
                process_id, status = os.waitpid(order["ended"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if process_id else None
            elif answer := fork(order, files):
                for file in files:
                    os.close(file)
            else:
                return order
            orders.send(json.dumps(answer).encode())


def fork(order: dict[str, Any], files: list[int]) -> int:
    """The id of a new process with these files as input, output and errors; 0 in the new process."""
    for name in order["imports"]:
        import_quickly(name)
    # A fork has only the thread that forks. The lock of another thread would stay locked in it.
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == threading.active_count() == 1, "an imported module has started a thread"
    gc.collect()
    gc.freeze()
    process_id = os.fork()
    if process_id == 0:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
    return process_id


def run_program(order: dict[str, Any]) -> None:
    """Do what `python -m` does, with the environment and the current folder of the order."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(order["folder"])
    sys.argv[1:] = order["arguments"]
    for name in (order["module"], f"{order['module']}.__main__"):
        sys.modules.pop(name, None)
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
