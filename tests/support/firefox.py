"""Starts the Firefox that is installed on this machine, and drives it with WebDriver BiDi, which needs no other program."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.support.waiting import wait_until_async

NAMES = ("firefox-esr", "firefox")
FIREFOX_MISSING = "Firefox: not found on the PATH"
TIMEOUT_SECONDS = 60.0
CLOSE_SECONDS = 10.0
#: Firefox writes this line when the port is open.
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)\n")
FIND = "[...document.querySelectorAll('button, a')].find(e => e.checkVisibility() && e.innerText.trim() === {text})"
#: The middle of an element as `[x,y]`, as soon as it is at the same place in two frames.
STILL_PLACE = """
async find => {
    find().scrollIntoView({ block: "center", behavior: "instant" });
    for (let place, last; ; last = place) {
        await new Promise(drawn => requestAnimationFrame(drawn));
        const box = find().getBoundingClientRect();
        place = JSON.stringify([box.left + box.width / 2, box.top + box.height / 2].map(Math.round));
        if (place === last) return place;
    }
}
"""


def find_firefox() -> str | None:
    """The path of the installed Firefox. None when there is no Firefox on the PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class FirefoxPage:
    """One tab. It evaluates scripts, and sends clicks and keys as a person's."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self._context = ""

    async def open(self) -> None:
        await self._call("session.new", capabilities={})
        tree = await self._call("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def goto(self, url: str) -> None:
        await self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, if it is a text, a number or a truth value."""
        answer = await self._call(
            "script.evaluate", expression=script, target={"context": self._context}, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    async def wait_for(self, condition: str) -> None:
        """Return when the JavaScript expression is true."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not await self.evaluate(f"Boolean({condition})"):
                await self.evaluate("new Promise(drawn => requestAnimationFrame(drawn))")

    async def press(self, text: str) -> None:
        """Click the button or link with this text, as soon as it can be pressed."""
        button = FIND.format(text=json.dumps(text))
        await self.wait_for(f"{button}?.ariaDisabled !== 'true' && {button}")
        x, y = json.loads(await self.evaluate(f"({STILL_PLACE})(() => {button})"))
        actions = [{"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown", "button": 0}]
        await self._act({"type": "pointer", "id": "mouse", "actions": [*actions, {"type": "pointerUp", "button": 0}]})

    async def type(self, text: str) -> None:
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        await self._act({"type": "key", "id": "keyboard", "actions": keys})

    async def _act(self, source: dict[str, Any]) -> None:
        await self._call("input.performActions", context=self._context, actions=[source])

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (answer := json.loads(await self._connection.recv())).get("id") != number:
                pass
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result


@asynccontextmanager
async def launch_firefox(path: str, profile: Path) -> AsyncIterator[FirefoxPage]:
    """Start a browser with an empty profile in English, and close it at the end."""
    (profile / "user.js").write_text('user_pref("intl.accept_languages", "en-GB, en");\n')
    arguments = ("--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0")
    log = profile / "firefox.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(path, *arguments, stdout=output, stderr=output)
    try:
        address = await wait_until_async(
            lambda: _read_address(log, process), f"Firefox to listen; see {log}", TIMEOUT_SECONDS
        )
        async with connect(f"{address}/session", open_timeout=TIMEOUT_SECONDS, proxy=None, max_size=None) as connection:
            page = FirefoxPage(connection)
            await page.open()
            yield page
    finally:
        await _end(process)


def _read_address(log: Path, process: asyncio.subprocess.Process) -> str | None:
    text = log.read_text(errors="replace")
    assert process.returncode is None, f"Firefox has ended: {text}"
    listening = LISTENING.search(text)
    return listening and listening[1]


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), CLOSE_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
