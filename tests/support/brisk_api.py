"""The API as a process whose stream speaks more often than in production, so that silence is noticed soon; all else is as it is."""

from functools import partial

from patient_visit_engine.api import app
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.running import running
from patient_visit_engine.runtime.settings import load

#: Seconds between two heartbeats; the client of these tests is told the same.
HEARTBEAT = 0.5
LIMITS = StreamLimits(heartbeat_every=HEARTBEAT, retry=0.3, retry_spread=0.6)

if __name__ == "__main__":
    app.running = partial(running, limits=LIMITS)
    app.run(load())
