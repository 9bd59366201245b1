"""The API process with frequent heartbeats and short retry times, so that tests detect silence sooner. All else is as in production."""

from unittest.mock import patch

from patient_visit_engine.api import __main__ as process
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.runtime.settings import load_settings

#: Seconds between two heartbeats. The browser client of these tests gets the same value.
HEARTBEAT = 0.5
LIMITS = StreamLimits(heartbeat_interval=HEARTBEAT, retry=0.3, longest_retry=0.6)

if __name__ == "__main__":
    with patch.object(process, "DEFAULT_LIMITS", LIMITS):
        process.run(load_settings())
