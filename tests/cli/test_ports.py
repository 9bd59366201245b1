"""The check of the ports before `visit-engine up` starts its processes."""

import pytest

from patient_visit_engine.cli.supervisor.ports import check_ports
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.ports import Port

#: An address for documentation (RFC 5737). No machine has it.
FOREIGN_HOST = "192.0.2.1"


@pytest.mark.parametrize(
    ("port", "variable"),
    [
        (Port("VISIT_HTTP_PORT", FOREIGN_HOST, 8000, "VISIT_HTTP_HOST"), "VISIT_HTTP_HOST"),
        (Port("VISIT_UI_PORT", FOREIGN_HOST, 8233), "VISIT_UI_PORT"),
        (Port("VISIT_TEMPORAL_PORT", "no.such.host.invalid", 7233), "VISIT_TEMPORAL_PORT"),
    ],
)
async def test_foreign_host_names_its_setting(port: Port, variable: str) -> None:
    with pytest.raises(OperatorError) as raised:
        await check_ports([port])

    assert str(raised.value) == f"{variable}: {port.host} is not an address of this machine"
