"""The reverse proxies in front of the API, and the addresses of clients that pass through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

#: The IPv6 form of an IPv4 network has this many bits more. A socket for IPv4 and IPv6 shows IPv4 clients in this form.
MAPPED_PREFIX_BITS = 96
#: 10.0.0.0/8 is the largest private network.
SHORTEST_PREFIX_BITS = 8


@dataclass(frozen=True)
class TrustedProxies:
    """The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` the API believes. By default there are none."""

    networks: Sequence[IPv4Network | IPv6Network] = ()

    @classmethod
    def parse(cls, text: str) -> "TrustedProxies":
        """Read addresses and networks, separated by commas. Raises ValueError with the wrong one."""
        networks: list[IPv4Network | IPv6Network] = []
        for item in filter(None, map(str.strip, text.split(","))):
            try:
                network = ip_network(item)
            except ValueError as error:
                raise ValueError(f"{item[:50]!r} is not an address or a network: {str(error)[:100]}") from None
            if network.prefixlen < SHORTEST_PREFIX_BITS:
                raise ValueError(
                    f"{item!r} has too many addresses. Any client could then choose its address: name the proxies"
                )
            networks.append(network)
            if isinstance(network, IPv4Network):
                networks.append(_as_ipv6(network))
        return cls(tuple(networks))

    def is_trusted(self, address: str) -> bool:
        """Whether the address is a configured proxy. False for a text that is no address."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)

    def names(self) -> list[str]:
        """The networks as texts, as uvicorn reads them."""
        return list(map(str, self.networks))


def _as_ipv6(network: IPv4Network) -> IPv6Network:
    return ip_network(f"::ffff:{network.network_address}/{MAPPED_PREFIX_BITS + network.prefixlen}")  # type: ignore[return-value]
