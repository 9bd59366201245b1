"""The process of the proxy: `python -m patient_visit_engine.temporal_ui ADDRESS`, with the address of Temporal's own UI."""

import asyncio
import sys

import uvicorn

from patient_visit_engine.runtime import logs
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.runtime.signs_of_life import signs_of_life
from patient_visit_engine.temporal_ui.proxy import UiProxy, create_client
from patient_visit_engine.temporal_ui.rules import UiRules

LISTEN_ON = "127.0.0.1"
#: Seconds that open requests get on a stop. Most of them only wait for the next event of a visit.
GRACE_SECONDS = 1


async def serve(settings: Settings, upstream: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    rules = UiRules(settings.ui_port, settings.temporal_ui_url, writes_allowed=settings.ui_writes)
    async with signs_of_life(), create_client(upstream) as client:
        # The options that `api.server` also sets are repeated here on purpose: the UI's process must not import the API.
        config = uvicorn.Config(
            UiProxy(rules, client),
            host=LISTEN_ON,
            port=settings.ui_port,
            access_log=False,
            log_config=None,
            server_header=False,
            # The UI's own answers have a date.
            date_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    logs.configure("ui")
    asyncio.run(serve(load_settings(), sys.argv[1]))
