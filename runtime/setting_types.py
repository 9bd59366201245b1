"""The types of settings, each with its check. The text of an error follows the name of the variable, so it says only what is wrong."""

import re
from datetime import time, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from patient_visit_engine.runtime.proxies import TrustedProxies

#: A shorter secret could be guessed (RFC 7518, section 3.2).
MIN_SECRET_BYTES = 32


def _parse_seconds(value: object) -> object:
    """Turn text that is a number into seconds. pydantic reads all other text as ISO 8601."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _parse_time_of_day(value: object) -> object:
    """Turn `HH:MM` into a time. pydantic would also read seconds since midnight, zones and fractions."""
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise ValueError("must be a time of day as HH:MM, for example 04:00")
    return time.fromisoformat(value)


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not an IANA time zone") from None
    return name


def _check_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError("not a folder")
    return folder


def _check_readable(path: Path) -> Path:
    try:
        path.read_bytes()
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None
    return path


def _check_host_and_port(address: str) -> str:
    # A scheme would override the TLS settings in the client.
    if address and not re.fullmatch(r"([^\s/:@\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", address):
        raise ValueError("must be host:port, for example temporal.hospital.example:7233")
    return address


def _check_proxies(proxies: str) -> str:
    TrustedProxies.parse(proxies)
    return proxies


def _check_key_server(url: str) -> str:
    # Over plain HTTP, anyone on the way could send other keys and sign tokens with them.
    if not _is_https_or_loopback(url):
        example = "https://login.hospital.example/keys"
        raise ValueError(f"must be an https address, or http on a loopback address, for example {example}")
    return url


def _is_https_or_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not url.isprintable() or " " in url:
        return False
    if parts.scheme == "http":
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False
    return parts.scheme == "https"


def _check_secret_length(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"must be at least {MIN_SECRET_BYTES} bytes for HS256")
    return secret


def _check_database_url(url: str) -> str:
    if not url:
        return url
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("not a database URL") from None
    if parsed.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")
    if parsed.drivername.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ValueError("must name a file, because processes cannot share a database in memory")
    if "sslmode" in parsed.query:
        raise ValueError("use ssl instead of sslmode, for example ?ssl=verify-full")
    return url


PortNumber = Annotated[int, Field(ge=1, le=65535)]
#: Seconds, or ISO 8601.
Duration = Annotated[timedelta, BeforeValidator(_parse_seconds)]
#: `HH:MM`.
TimeOfDay = Annotated[time, BeforeValidator(_parse_time_of_day)]
ZoneName = Annotated[str, AfterValidator(_check_zone)]
Folder = Annotated[Path, AfterValidator(_check_folder)]
ReadableFile = Annotated[Path, AfterValidator(_check_readable)]
#: Can be empty.
HostAndPort = Annotated[str, AfterValidator(_check_host_and_port)]
#: Addresses and networks, separated by commas.
ProxyList = Annotated[str, AfterValidator(_check_proxies)]
KeyServerUrl = Annotated[str, AfterValidator(_check_key_server)]
SigningSecret = Annotated[SecretStr, AfterValidator(_check_secret_length)]
#: Can be empty.
DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
#: Must not be empty: a variable that was left empty by mistake would switch something off.
NonEmptyText = Annotated[str, Field(min_length=1)]
NonEmptySecret = Annotated[SecretStr, Field(min_length=1)]
