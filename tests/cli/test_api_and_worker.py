"""A process that cannot start prints one line and ends, so that its supervisor can try again."""

import asyncio

import pytest

from patient_visit_engine.runtime import temporal
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.worker import __main__ as worker
from tests.support.ports import free_port
from tests.support.up import UpEnvironment


@pytest.mark.parametrize(
    "command",
    [["api"], ["worker"], ["audit"], ["restored"], ["user", "passwd", "smith", "--password-stdin"]],
    ids=lambda words: words[0],
)
def test_unreachable_database_names_its_variable(up_environment: UpEnvironment, command: list[str]) -> None:
    port = free_port()

    result = up_environment.run(
        *command,
        stdin="stethoscope\n",
        VISIT_DATABASE_URL=f"postgresql+asyncpg://visit:swordfish@127.0.0.1:{port}/visits",
    )

    assert result.returncode == 1
    assert result.stderr.startswith("VISIT_DATABASE_URL: the database cannot be read (")
    assert result.stderr.count("\n") == 1
    assert "swordfish" not in result.stderr


async def test_unreachable_temporal_names_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(worker, "CONNECT_TIMEOUT_SECONDS", 0.3)

    with pytest.raises(temporal.UnreachableError, match=f"answered at 127.0.0.1:{port} within 0.3 s"):
        await worker._connect(Settings(temporal_address=f"127.0.0.1:{port}"), asyncio.Event())
