"""Every setting, read once from the environment, `.env` and files of secrets; it must not know what is built from them."""

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from patient_visit_engine.visit.names import DEFAULT_TASK_QUEUE
from patient_visit_engine.visit.state import Limits

Port = Annotated[int, Field(ge=1, le=65535)]


def _seconds(written: object) -> object:
    """A number of seconds, as the environment has it, for what pydantic reads as ISO 8601."""
    try:
        return float(written) if isinstance(written, str) else written
    except ValueError:
        return written


Duration = Annotated[timedelta, BeforeValidator(_seconds)]


class Settings(BaseSettings):
    """Environment variables `VISIT_...`; durations are ISO 8601 (`PT4H`) or seconds."""

    model_config = SettingsConfigDict(env_prefix="VISIT_", env_file=".env", extra="ignore", frozen=True)

    #: Where state and event log are kept; by default a SQLite file in the data directory.
    database_url: str = ""
    #: The password of the database's user, where it is kept apart from the address.
    database_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    temporal_address: str = ""
    temporal_namespace: str = "default"
    #: 1: TLS to Temporal; it is on too where one of those that follow is set.
    temporal_tls: bool = False
    #: The authority that the frontend's certificate must be from, in PEM; without one any that this machine believes.
    temporal_tls_ca: Path | None = None
    #: Our own certificate and its key, in PEM, for a frontend that asks for one.
    temporal_tls_cert: Path | None = None
    temporal_tls_key: Path | None = None
    #: The name in the frontend's certificate, where that is not the address's own.
    temporal_tls_server_name: str = ""
    temporal_api_key: Annotated[SecretStr, Field(min_length=1)] | None = None
    task_queue: str = DEFAULT_TASK_QUEUE
    http_host: str = "127.0.0.1"
    http_port: Port = 8000
    #: The port of Temporal's own UI, under `up`.
    ui_port: Port = 8233
    #: The port of the embedded Temporal server, under `up`.
    temporal_port: Port = 7233
    #: Where a browser finds Temporal's UI; empty: at the UI port of this host.
    temporal_ui_url: str = ""
    data_dir: Path = Path("data")
    #: The hospital's IANA time zone, which says when a day ends.
    timezone: str = "UTC"
    #: How long a freed patient is kept for the doctor who waited; 0: for nobody.
    offer_seconds: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(hours=1))] = timedelta(seconds=60)
    #: When a consultation that nobody completed is closed.
    abandon_after: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(hours=24))] = timedelta(hours=4)
    #: How often the holder is reminded of an overdue consultation.
    remind_every: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(hours=24))] = timedelta(minutes=15)
    #: How long a request waits for its decision before it is answered 503 `undecided`.
    decision_timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=2))] = timedelta(seconds=10)
    #: How long events stay in the log, at least as long as a browser may sleep.
    event_retention: Annotated[Duration, Field(ge=timedelta(minutes=1))] = timedelta(days=7)
    #: How often the worker looks for consultations that no visit keeps and for requests that met a closed day.
    sweep_every: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=1)
    #: How many messages one run of a visit takes before it continues as new.
    messages_per_run: Annotated[int, Field(ge=1, le=1_500)] = 1_000
    session_lifetime: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(hours=12)
    jwt_secret: SecretStr | None = None
    jwt_jwks_url: str | None = None
    #: Not empty: a variable that was not filled in must not be taken for a check that is not wanted.
    jwt_issuer: Annotated[str, Field(min_length=1)] | None = None
    jwt_audience: Annotated[str, Field(min_length=1)] | None = None
    #: 1: load the demonstration hospital into an empty database without asking.
    demo: bool = False
    #: A folder of files that are named as variables are, in small letters; the environment and `.env` go before them.
    secrets_dir: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The usual sources; which folder the secrets are in, those before it say."""
        known = init_settings, env_settings, dotenv_settings
        named = [folder for source in known if (folder := source().get("secrets_dir"))]
        # Of a folder that is not there pydantic would only warn: the field's own check refuses it.
        if not named or not Path(named[0]).is_dir():
            return known
        return *known, SecretsSettingsSource(settings_cls, named[0])

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not an IANA time zone") from None
        return name

    @field_validator("secrets_dir")
    @classmethod
    def _a_folder(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError("not a folder")
        return folder

    @field_validator("temporal_address")
    @classmethod
    def _host_and_port(cls, address: str) -> str:
        # With a scheme the client would take the address's word for it whether there is TLS.
        if address and not re.fullmatch(r"([^\s/:@\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", address):
            raise ValueError("must be host:port, as temporal.hospital.example:7233")
        return address

    @field_validator("temporal_tls_ca", "temporal_tls_cert", "temporal_tls_key")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        try:
            if path is not None:
                path.read_bytes()
        except OSError as unread:
            raise ValueError(f"the file cannot be read ({unread.strerror})") from None
        return path

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < 32:
            raise ValueError("must be at least 32 bytes for HS256")
        return secret

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url:
            try:
                driver = make_url(url).drivername
            except ArgumentError:
                raise ValueError("not a database URL") from None
            if driver not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
                raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")
            if "sslmode" in make_url(url).query:
                raise ValueError("asyncpg knows sslmode as ssl, as in ?ssl=verify-full")
        return url

    @model_validator(mode="after")
    def _one_kind_of_token(self) -> "Settings":
        if self.jwt_secret is not None and self.jwt_jwks_url is not None:
            raise ValueError("VISIT_JWT_SECRET and VISIT_JWT_JWKS_URL exclude each other")
        return self

    @model_validator(mode="after")
    def _one_password(self) -> "Settings":
        if self.database_password is not None:
            url = make_url(self._address)
            if url.get_backend_name() != "postgresql" or url.username is None or url.password is not None:
                wanted = "an address of PostgreSQL with a user and without a password"
                raise ValueError(f"VISIT_DATABASE_PASSWORD wants {wanted} in VISIT_DATABASE_URL")
        return self

    @model_validator(mode="after")
    def _whole_tls(self) -> "Settings":
        if (self.temporal_tls_cert is None) != (self.temporal_tls_key is None):
            raise ValueError("VISIT_TEMPORAL_TLS_CERT and VISIT_TEMPORAL_TLS_KEY go together")
        if self.temporal_is_encrypted and not self.temporal_address:
            raise ValueError(
                "VISIT_TEMPORAL_ADDRESS: must be set where TLS to Temporal is: the embedded server has none"
            )
        return self

    @property
    def temporal_is_encrypted(self) -> bool:
        """Whether there is TLS to Temporal. An API key never travels without."""
        files = (self.temporal_tls_ca, self.temporal_tls_cert, self.temporal_tls_server_name, self.temporal_api_key)
        return self.temporal_tls or any(files)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def database(self) -> str:
        """The database URL in force, its password included."""
        if self.database_password is None:
            return self._address
        whole = make_url(self._address).set(password=self.database_password.get_secret_value())
        return whole.render_as_string(hide_password=False)

    @property
    def _address(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'visits.db'}"

    @property
    def temporal(self) -> str:
        """The Temporal frontend's address in force."""
        return self.temporal_address or f"127.0.0.1:{self.temporal_port}"

    @property
    def limits(self) -> Limits:
        """The durations that a new visit is given."""
        return Limits(
            offer=self.offer_seconds,
            abandon_after=self.abandon_after,
            remind_every=self.remind_every,
            messages_per_run=self.messages_per_run,
        )


def load() -> Settings:
    """The settings, or exit 2 with one line a wrong variable."""
    try:
        return Settings()
    except ValidationError as wrong:
        for error in wrong.errors(include_url=False, include_input=False):
            name = f"VISIT_{str(error['loc'][0]).upper()}: " if error["loc"] else ""
            print(f"{name}{error['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        raise SystemExit(2) from None
    except (SettingsError, OSError) as unread:
        # The class alone: what could not be decoded is quoted in the error's own text.
        print(f"VISIT_SECRETS_DIR: cannot be read ({type(unread.__cause__ or unread).__name__})", file=sys.stderr)
        raise SystemExit(2) from None
