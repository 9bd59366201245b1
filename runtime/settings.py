"""All settings, read once from the environment, `.env` and files of secrets."""

import logging
import os
import sys
from contextlib import suppress
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from sqlalchemy import make_url

from patient_visit_engine.runtime.ports import Port
from patient_visit_engine.runtime.proxies import TrustedProxies
from patient_visit_engine.runtime.setting_types import (
    DatabaseUrl,
    Duration,
    Folder,
    HostAndPort,
    KeyServerUrl,
    NonEmptySecret,
    NonEmptyText,
    PortNumber,
    ProxyList,
    ReadableFile,
    SigningSecret,
    TimeOfDay,
    ZoneName,
)
from patient_visit_engine.runtime.unknown_settings import check_names
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.names import DEFAULT_TASK_QUEUE
from patient_visit_engine.visit.state import Limits

logger = logging.getLogger(__name__)


class Settings(BaseSettings):
    """Environment variables `VISIT_...`. Durations are ISO 8601 (`PT4H`) or seconds."""

    model_config = SettingsConfigDict(env_prefix="VISIT_", env_file=".env", extra="ignore", frozen=True)

    #: The database of state and event log. By default a SQLite file in the data folder.
    database_url: DatabaseUrl = ""
    #: The password of the database user, if `database_url` does not contain it.
    database_password: NonEmptySecret | None = None
    temporal_address: HostAndPort = ""
    temporal_namespace: NonEmptyText = "default"
    #: 1: TLS to Temporal. Each of the next five settings turns it on too.
    temporal_tls: bool = False
    #: The authority that must have signed the frontend's certificate, in PEM. By default any authority that this machine trusts.
    temporal_tls_ca: ReadableFile | None = None
    #: Our own certificate and its key, in PEM, for a frontend that requires one.
    temporal_tls_cert: ReadableFile | None = None
    temporal_tls_key: ReadableFile | None = None
    #: The name in the frontend's certificate, if it differs from the address.
    temporal_tls_server_name: str = ""
    temporal_api_key: NonEmptySecret | None = None
    task_queue: NonEmptyText = DEFAULT_TASK_QUEUE
    http_host: str = "127.0.0.1"
    http_port: PortNumber = 8000
    #: Reverse proxies in front of the API: addresses and networks, separated by commas. The API believes `X-Forwarded-For` and
    #: `X-Forwarded-Proto` from them alone. Otherwise a client could choose its address, and so escape each limit.
    trusted_proxies: ProxyList = ""
    #: How many connections of one address (IPv6: one /64 network) may wait for their client. 0: no limit.
    connections_per_address: Annotated[int, Field(ge=0, le=65_535)] = 500
    #: Under `up`: the port of Temporal's UI.
    ui_port: PortNumber = 8233
    #: 1: under `up`, Temporal's UI may change visits, for example terminate one.
    ui_writes: bool = False
    #: Under `up`: the port of the embedded Temporal server.
    temporal_port: PortNumber = 7233
    #: The address of Temporal's UI for browsers. By default the UI port of this host.
    temporal_ui_url: str = ""
    data_dir: Path = Path("data")
    #: The hospital's IANA time zone.
    timezone: ZoneName = "UTC"
    #: The local time at which a hospital day starts, as `HH:MM`. Until then, the night belongs to the day before.
    day_starts: TimeOfDay = time(4)
    #: How long a free patient is reserved for the first doctor in line. 0: not at all.
    offer_seconds: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(hours=1))] = timedelta(seconds=60)
    #: An exclusive start of a doctor who is in an exclusive consultation with another patient: granted, with a warning, or refused.
    doctor_busy: DoctorBusy = DoctorBusy.warn
    #: This long after its expected end a consultation is ended with the outcome `timed_out`.
    abandon_after: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(hours=24))] = timedelta(hours=4)
    #: How long a patient is reserved for the doctor who has called the patient, or who got the consultation by a transfer. Also when
    #: `offer_seconds` is 0.
    call_seconds: Annotated[Duration, Field(ge=timedelta(seconds=10), le=timedelta(hours=1))] = timedelta(seconds=180)
    #: A consultation that is paused for longer is ended with the outcome `timed_out`.
    pause_limit: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(hours=24))] = timedelta(hours=4)
    #: How often the doctor is reminded of an overdue consultation.
    remind_every: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(hours=24))] = timedelta(minutes=15)
    #: A check-in that is this old at the day's end, or reaches this age later, ends with the outcome `not_seen`.
    not_seen_after: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(hours=48))] = timedelta(hours=12)
    #: How long a request waits for each step (lookup, a reason to store, decision) before the API answers 503 `undecided`.
    decision_timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=2))] = timedelta(seconds=10)
    #: How long a command that starts, reserves or gives away may wait for its decision. After that it has no effect.
    start_valid_for: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=10))] = timedelta(seconds=30)
    #: How long events stay in the log. A browser that was away longer must reload.
    event_retention: Annotated[Duration, Field(ge=timedelta(minutes=1))] = timedelta(days=7)
    #: How often the worker looks for visits with an overdue timer or an open past day, and for accepted requests without a
    #: decision. With more than two minutes, what is open could pass to the new day later than ten minutes after its start.
    sweep_every: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(minutes=2))] = timedelta(minutes=1)
    #: How long before a booked appointment its visit is opened. 0: not before the first command.
    open_ahead: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(hours=2))] = timedelta(minutes=15)
    #: How many messages one run of a visit handles before it continues as new.
    messages_per_run: Annotated[int, Field(ge=1, le=1_500)] = 1_000
    #: How many event streams one user may have open in each API process. Each browser of a shared account has one.
    streams_per_user: Annotated[int, Field(ge=1, le=10_000)] = 64
    #: How many commands one user may send to each API process in a minute. 0: no limit. Programs with the role `service` have none.
    commands_per_minute: Annotated[int, Field(ge=0, le=100_000)] = 300
    session_lifetime: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(hours=12)
    jwt_secret: SigningSecret | None = None
    jwt_jwks_url: KeyServerUrl | None = None
    #: Must not be empty: a variable that was left empty by mistake would switch the check off.
    jwt_issuer: NonEmptyText | None = None
    jwt_audience: NonEmptyText | None = None
    #: Screens show a patient's identifier of this system as the record number. Empty: they show the first identifier.
    #: After a change, `visit-engine migrate` derives the numbers again.
    record_number_system: Annotated[str, Field(max_length=200)] = ""
    #: 1: load the demonstration hospital into an empty database without asking.
    demo: bool = False
    #: A folder with one file per variable, named in lower case. The environment and `.env` take precedence.
    secrets_dir: Folder | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The usual sources, then the secrets folder that one of them names."""
        sources = init_settings, env_settings, dotenv_settings
        folders = [folder for source in sources if (folder := source().get("secrets_dir"))]
        # pydantic only warns about a missing folder. Without this source the field's own check refuses it.
        if not folders or not Path(folders[0]).is_dir():
            return sources
        return *sources, SecretsSettingsSource(settings_cls, folders[0])

    @model_validator(mode="after")
    def _check_one_token_kind(self) -> "Settings":
        if self.jwt_secret is not None and self.jwt_jwks_url is not None:
            raise ValueError("VISIT_JWT_SECRET and VISIT_JWT_JWKS_URL exclude each other: set only one")
        return self

    @model_validator(mode="after")
    def _check_one_password(self) -> "Settings":
        if self.database_password is not None:
            url = make_url(self._database_address)
            if url.get_backend_name() != "postgresql" or url.username is None or url.password is not None:
                needed = "a PostgreSQL address with a user and without a password"
                raise ValueError(f"VISIT_DATABASE_PASSWORD needs {needed} in VISIT_DATABASE_URL")
        return self

    @model_validator(mode="after")
    def _check_tls_is_complete(self) -> "Settings":
        if (self.temporal_tls_cert is None) != (self.temporal_tls_key is None):
            raise ValueError("VISIT_TEMPORAL_TLS_CERT and VISIT_TEMPORAL_TLS_KEY go together: set both or neither")
        if self.temporal_is_encrypted and not self.temporal_address:
            raise ValueError("VISIT_TEMPORAL_ADDRESS: must be set for TLS to Temporal: the embedded server has no TLS")
        return self

    @property
    def temporal_is_encrypted(self) -> bool:
        """Whether the connection to Temporal uses TLS. An API key is never sent without TLS."""
        tls_settings = (
            self.temporal_tls_ca,
            self.temporal_tls_cert,
            self.temporal_tls_server_name,
            self.temporal_api_key,
        )
        return self.temporal_tls or any(tls_settings)

    @property
    def proxies(self) -> TrustedProxies:
        return TrustedProxies.parse(self.trusted_proxies)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def calendar(self) -> HospitalCalendar:
        return HospitalCalendar(self.zone, self.day_starts)

    @property
    def effective_database_url(self) -> str:
        """The database URL in use, with its password."""
        if self.database_password is None:
            return self._database_address
        url = make_url(self._database_address).set(password=self.database_password.get_secret_value())
        return url.render_as_string(hide_password=False)

    @property
    def _database_address(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'visits.db'}"

    @property
    def effective_temporal_address(self) -> str:
        """The Temporal frontend's address in use."""
        return self.temporal_address or f"127.0.0.1:{self.temporal_port}"

    @property
    def listening_port(self) -> Port:
        """Where the API listens."""
        return Port("VISIT_HTTP_PORT", self.http_host, self.http_port, "VISIT_HTTP_HOST")

    @property
    def limits(self) -> Limits:
        """The time limits and the number of messages in one run, for new visits."""
        return Limits(
            offer=self.offer_seconds,
            abandon_after=self.abandon_after,
            remind_every=self.remind_every,
            not_seen_after=self.not_seen_after,
            messages_per_run=self.messages_per_run,
            pause_limit=self.pause_limit,
            call=self.call_seconds,
        )


def load_settings() -> Settings:
    """The settings. Wrong or misspelled settings end the program with exit code 2 and one line per variable.

    An unknown name that resembles no setting is logged.
    """
    try:
        source = DotEnvSettingsSource(Settings)
    except (OSError, ValueError) as error:
        raise _stop([f".env: cannot be read ({type(error).__name__})"]) from None
    try:
        settings = Settings()
    except ValidationError as invalid:
        errors = [
            (f"VISIT_{str(error['loc'][0]).upper()}: " if error["loc"] else "")
            + error["msg"].removeprefix("Value error, ")
            for error in invalid.errors(include_url=False, include_input=False)
        ]
        raise _stop(errors) from None
    except (SettingsError, OSError) as error:
        # Only the error's class: the error's text quotes the content that could not be decoded.
        raise _stop([f"VISIT_SECRETS_DIR: cannot be read ({type(error.__cause__ or error).__name__})"]) from None
    known = [f"VISIT_{name.upper()}" for name in Settings.model_fields]
    names = check_names(
        known, in_env_file=source.env_vars, elsewhere=[*os.environ, *_names_of_secrets(settings.secrets_dir)]
    )
    if names.errors:
        raise _stop(names.errors)
    for name in names.ignored:
        logger.warning("%s is not a setting and has no effect", name)
    return settings


def _names_of_secrets(folder: Path | None) -> list[str]:
    # A folder can be closed to lists while its files can be read.
    with suppress(OSError):
        return [] if folder is None else [path.name for path in folder.iterdir()]
    return []


def _stop(errors: list[str]) -> SystemExit:
    """Print the errors, and return the end of the program."""
    print("\n".join(errors), file=sys.stderr)
    return SystemExit(2)
