"""Trusted proxies: addresses, networks and what is refused."""

import pytest

from patient_visit_engine.runtime.proxies import TrustedProxies


@pytest.mark.parametrize(
    ("address", "is_trusted"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        # How a socket for IPv4 and IPv6 shows a client with IPv4.
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_trusts_configured_addresses_only(address: str, is_trusted: bool) -> None:
    proxies = TrustedProxies.parse("127.0.0.1, 10.0.0.0/8,2001:db8::/32")

    assert proxies.is_trusted(address) is is_trusted
    assert not TrustedProxies.parse("").is_trusted(address)


@pytest.mark.parametrize(
    "text", ["*", "proxy.example", "10.0.0.1/8", "0.0.0.0/0", "128.0.0.0/1", "::/0", "::/1", "10.0.0.256", "a" * 500]
)
def test_refuses_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an address or a network|has too many addresses") as refusal:
        TrustedProxies.parse(f"127.0.0.1, {text}")

    assert len(str(refusal.value)) < 250
