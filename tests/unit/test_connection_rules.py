"""Rules of connections that need no connection."""

import logging

import pytest

from patient_visit_engine.api.addresses import address_group
from patient_visit_engine.api.serving.refusal_log import LOG_INTERVAL, RefusalLog


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("not:an:address", "not:an:address"),
        ("x" * 200, "x" * 64),
        ("", ""),
    ],
)
def test_ipv6_clients_count_with_their_network(host: str, group: str) -> None:
    assert address_group(host) == group


def test_a_flood_gets_one_line_a_minute_and_code(caplog: pytest.LogCaptureFixture) -> None:
    log = RefusalLog(500, None)
    with caplog.at_level(logging.WARNING):
        for second in range(90):
            log.note("silent", f"10.0.0.{second}", float(second))
        log.note("bad_host", "10.0.1.1", 90.0)

    assert caplog.messages == [
        "refused 1 times: silent, last from 10.0.0.0",
        f"refused {LOG_INTERVAL:.0f} times: silent, last from 10.0.0.60",
        "refused 1 times: bad_host, last from 10.0.1.1",
    ]
