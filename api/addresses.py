"""Which client addresses count as one."""

from ipaddress import IPv6Address, ip_address

#: Longer than any address. A proxy may pass on text that is no address.
MAX_LENGTH = 64


def address_group(host: str) -> str:
    """Return what this address is counted under: an IPv4 address, or the /64 network of an IPv6 address.

    One IPv6 client usually has a whole /64 network. Text that is no address is cut to `MAX_LENGTH`.
    """
    host = host[:MAX_LENGTH]
    if ":" not in host:
        return host
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    assert isinstance(address, IPv6Address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
