"""Connects to the running system: its address, the token, and the hospital's time zone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from patient_visit_engine.cli.tokens import find_secret, sign_token
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

TIMEOUT_SECONDS = 30.0
#: The roles that may send master data.
SENDERS = ("service", "supervisor")
#: The caller of all imports. The system compares what it sends with what the same caller sent before.
SUBJECT = "visit-engine-import"


@asynccontextmanager
async def connect(
    settings: Settings, url: str, token_file: Path | None, limits: httpx.Limits
) -> AsyncIterator[tuple[httpx.AsyncClient, ZoneInfo]]:
    """A client of the system, and its time zone. Raises `OperatorError` when the system is away or does not accept the token."""
    address = url or f"http://127.0.0.1:{settings.http_port}"
    _check_address(address)
    headers = {"Authorization": f"Bearer {_token(settings, token_file)}"}
    async with new_client(address, headers, limits) as client:
        yield client, await _read_zone(client, address)


def new_client(address: str, headers: dict[str, str], limits: httpx.Limits) -> httpx.AsyncClient:
    """A client with these headers. Proxies of the environment are ignored, because they would see the patients."""
    return httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=TIMEOUT_SECONDS, trust_env=False)


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise OperatorError(f"--url: {address} is no address, as in http://127.0.0.1:8000", 2)


def _token(settings: Settings, token_file: Path | None) -> str:
    if token_file is None:
        secret = find_secret(settings, "without --token-file, import needs")
        return sign_token(settings, secret, sub=SUBJECT, role="service", name="Import")
    try:
        token = token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"--token-file: {token_file} cannot be read ({type(error).__name__})", 2) from None
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise OperatorError(f"--token-file: {token_file} has no token: it must have the bearer token alone", 2)
    return token


async def _read_zone(client: httpx.AsyncClient, address: str) -> ZoneInfo:
    try:
        answer = await client.get("/api/session")
        session = answer.json() if answer.is_success else {}
    except httpx.TransportError:
        raise OperatorError(f"--url: no system answers at {address}: start it, for example with `make up`") from None
    except ValueError:
        session = {}
    if answer.status_code == 401:
        raise OperatorError("the system does not accept the token: is VISIT_JWT_SECRET, or --token-file, the system's?")
    if session.get("role") not in SENDERS:
        if "role" in session:
            raise OperatorError("--token-file: the token needs the role service or supervisor")
        raise OperatorError(f"--url: {address} is not ready, or is another system ({answer.status_code})")
    try:
        return ZoneInfo(str(session.get("timezone")))
    except (ZoneInfoNotFoundError, ValueError):
        raise OperatorError(
            f"--url: this machine does not have the system's time zone {session.get('timezone')}"
        ) from None
