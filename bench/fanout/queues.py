"""The usual way to serve events: sse-starlette's response with one queue per subscriber.

`python -m bench.fanout.queues PORT`. A POST to `/publish` wakes the task of each subscriber.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from itertools import count

import uvicorn
from fastapi import FastAPI, Request, Response
from sse_starlette.sse import EventSourceResponse

BACKLOG = 2048


def application() -> FastAPI:
    """The application: one route to publish, one to subscribe."""
    app = FastAPI()
    queues: set[asyncio.Queue[dict[str, str]]] = set()
    ids = count(1)

    async def events() -> AsyncIterator[dict[str, str]]:
        queue: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        queues.add(queue)
        try:
            yield {"event": "ready", "data": "{}"}
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)

    @app.get("/api/events")
    async def subscribe() -> EventSourceResponse:
        # The engine's line ends, because one client reads the streams of all servers.
        return EventSourceResponse(events(), sep="\n")

    @app.post("/publish")
    async def publish(request: Request) -> Response:
        name = request.headers["x-eventsource-event"]
        message = {"id": str(next(ids)), "event": name, "data": (await request.body()).decode()}
        for queue in queues:
            queue.put_nowait(message)
        return Response(status_code=202)

    return app


def main() -> None:
    """Serve until SIGTERM."""
    uvicorn.run(
        application(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
