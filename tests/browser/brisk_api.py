"""The API as a process whose stream speaks more often than in production, so that silence is noticed soon; all else is as it is."""

from functools import partial

from api import app
from config.settings import load
from live.limits import StreamLimits
from live.running import running

#: Seconds between two heartbeats; the client of these tests is told the same.
HEARTBEAT = 0.5
LIMITS = StreamLimits(heartbeat_every=HEARTBEAT, retry=0.3, retry_spread=0.6)

if __name__ == "__main__":
    app.running = partial(running, limits=LIMITS)
    app.run(load())
