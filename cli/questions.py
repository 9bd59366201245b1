"""Questions to the operator at a terminal."""

import asyncio
import sys

import typer


def is_at_terminal() -> bool:
    """Whether an operator can read a question and answer it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def confirm(question: str) -> bool:
    """Ask the question. Enter means yes, and the end of the input means no."""
    typer.echo(f"{question} [Y/n] ", nl=False)
    return (await _read_line()).strip().lower() in ("", "y", "yes")


async def _read_line() -> str:
    # Not `input` in a thread: Ctrl-C could not end such a thread.
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        loop.remove_reader(sys.stdin)
        answer.set_result(sys.stdin.readline() or "n")

    loop.add_reader(sys.stdin, read)
    try:
        return await answer
    finally:
        loop.remove_reader(sys.stdin)
