"""Where the platform runs and what it talks to, read once from the environment.

Only `CLIENTNEST_*` variables count (and the usual `AWS_*` ones for an S3 lake). The embedded
environment takes no addresses: they follow from its home folder, see `embedded/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from clientnest_assets.errors import ClientNestError

PREFIX = "CLIENTNEST_"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT = PROJECT_ROOT / "dbt_project"


class SettingsError(ClientNestError):
    """The environment does not describe one consistent installation. The message names every variable at fault."""


class Environment(StrEnum):
    """The closed set of places the platform runs in."""

    EMBEDDED = "embedded"
    PRODUCTION = "production"
    TEST = "test"


REQUIRED_OUTSIDE = {
    "app_database_url": "the app's PostgreSQL, such as postgresql://reader:secret@db.example.com/clientnest",
    "lake_url": "the lake's root, such as s3://bucket/lake or /var/lib/clientnest/lake",
    "warehouse_url": "the warehouse's PostgreSQL",
    "dagster_database_url": "the PostgreSQL that keeps Dagster's own runs and events",
    "pseudonym_key": "a secret of 32 characters or more; changing it breaks the link with rows already landed",
    "first_day": "the first UTC day there is data for, such as 2024-01-01; partitions begin there",
}
DATABASES = ("app_database_url", "warehouse_url", "dagster_database_url")
ONLINE_STORES = ("redis", "rediss")
WEB_SCHEMES = ("http", "https")
MINIMUM_KEY_LENGTH = 32
STORE_OPTIONS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
)
"""What an S3 lake takes from the environment. Delta, Polars, obstore and DuckDB all act on these, and on no others alike."""
ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
UNSAFE_OPTIONS = {
    "AWS_S3_ALLOW_UNSAFE_RENAME": "concurrent commits to the lake would be lost",
    "AWS_S3_LOCKING_PROVIDER": "commits are made safe by conditional puts, and other writers would not see its locks",
    "AWS_CONDITIONAL_PUT": "without conditional puts concurrent commits to the lake would be lost, or fail",
}


class Settings(BaseSettings):
    """One installation. Build it with `Settings.load`, which checks it as a whole."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    environment: Environment = Environment.EMBEDDED
    home: Path = Field(default=PROJECT_ROOT / ".clientnest", description="All local state is in this folder.")
    app_database_url: str | None = None
    lake_url: str | None = None
    warehouse_url: str | None = None
    dagster_database_url: str | None = None
    pseudonym_key: SecretStr | None = None
    first_day: date | None = None
    online_store_url: str | None = None
    """The Redis that keeps the newest features, such as rediss://user:secret@redis.example.com:6379/0; by default the
    warehouse does."""
    schedules: bool | None = None
    """Whether schedules run until somebody switches them in the UI. Embedded they are off by default."""
    compute_logs_url: str | None = None
    """The bucket and prefix that keep what steps print, such as s3://bucket/logs; by default a folder of the home."""
    landing_url: str | None = None
    """The folder or bucket prefix in which files are dropped; by default a folder of the home."""
    max_bad_share: float = Field(default=0.2, ge=0, le=1)
    """A day with a larger share of bad rows (and more than a handful of them) fails instead of being landed."""
    change_capture: bool = False
    """Whether the app's changes are captured by logical replication, beside the reading of windows."""
    platform_connections: Path | None = None
    """The file that says which accounts the platform collectors ask, with their tokens."""
    events_keys: SecretStr | None = None
    """The keys that senders of events may show, separated by commas: two while one replaces the other."""
    features_keys: SecretStr | None = None
    """The keys that readers of features may show, separated by commas: two while one replaces the other."""
    web_url: str = "http://127.0.0.1:8000"
    """Where people reach the pages: what Dagster shows of a model links there."""
    dagster_ui_url: str | None = None
    """Where pages link to for Dagster; by default port 3000 of the host that the page was asked from."""
    kafka_brokers: str | None = None
    """Where application events come from beside HTTP, such as broker-1:9092,broker-2:9092."""
    kafka_topic: str = "app-events"
    kafka_group: str = "clientnest-analytics"
    kafka_options: dict[str, str] = Field(default_factory=dict)
    """Further options of librdkafka as JSON, such as {"security.protocol": "SASL_SSL"}."""
    event_schema: Path | None = None
    """The Avro schema (.avsc) of the topic's messages; without it they are JSON."""

    @classmethod
    def load(cls) -> Self:
        """The settings of this process' environment.

        Raises:
            SettingsError: naming each unknown, missing or contradictory variable, and what to do.
        """
        try:
            settings = cls()
        except ValidationError as error:
            raise SettingsError(_report([_invalid(problem) for problem in error.errors()])) from None
        problems = settings._contradictions()
        if problems:
            raise SettingsError(_report(problems))
        return settings

    @property
    def is_embedded(self) -> bool:
        """True where the services run out of the home folder: the embedded default, and tests."""
        return self.environment is not Environment.PRODUCTION

    @property
    def schedules_run(self) -> bool:
        """What `schedules` says, or the environment's default."""
        return not self.is_embedded if self.schedules is None else self.schedules

    def _contradictions(self) -> list[str]:
        given = {name for name in REQUIRED_OUTSIDE if getattr(self, name)}
        problems = [*_store_problems(os.environ), *self._wrong_addresses()]
        if self.is_embedded:
            problems += [
                f"{_variable(name)} is set, but {PREFIX}ENVIRONMENT is {self.environment}, which runs its own services. "
                f"Unset it, or set {PREFIX}ENVIRONMENT=production."
                for name in sorted(given)
            ]
            if self.environment is Environment.TEST and "home" not in self.model_fields_set:
                problems.append(f"{PREFIX}HOME is missing: a test names its own folder and never uses the default one.")
            return problems
        problems += [
            f"{_variable(name)} is missing: {meaning}."
            for name, meaning in REQUIRED_OUTSIDE.items()
            if name not in given
        ]
        if self.lake_url and not self.lake_url.startswith(("s3://", "/")):
            problems.append(
                f"{PREFIX}LAKE_URL must be s3://bucket/prefix or an absolute folder, not {self.lake_url!r}."
            )
        if self.first_day and self.first_day > datetime.now(UTC).date():
            problems.append(f"{PREFIX}FIRST_DAY={self.first_day} is in the future.")
        for name in DATABASES:
            url = getattr(self, name)
            if url and urlsplit(url).scheme not in ("postgresql", "postgres"):
                problems.append(
                    f"{_variable(name)} must begin with postgresql:// (a driver is chosen by the platform)."
                )
        if self.pseudonym_key and len(self.pseudonym_key.get_secret_value()) < MINIMUM_KEY_LENGTH:
            problems.append(f"{PREFIX}PSEUDONYM_KEY is shorter than {MINIMUM_KEY_LENGTH} characters.")
        return problems

    def _wrong_addresses(self) -> list[str]:
        problems = []
        if self.compute_logs_url and not self.compute_logs_url.startswith("s3://"):
            problems.append(f"{PREFIX}COMPUTE_LOGS_URL must be s3://bucket/prefix, not {self.compute_logs_url!r}.")
        if urlsplit(self.web_url).scheme not in WEB_SCHEMES:
            problems.append(
                f"{PREFIX}WEB_URL must begin with http:// or https://, such as https://analytics.example.com, not "
                f"{self.web_url!r}."
            )
        if self.online_store_url and urlsplit(self.online_store_url).scheme not in ONLINE_STORES:
            problems.append(
                f"{PREFIX}ONLINE_STORE_URL must begin with redis:// or rediss://. Unset it, and the warehouse keeps the "
                "newest features."
            )
        return problems


def store_options() -> dict[str, str]:
    """The environment's options of an S3 lake. An endpoint that begins with http:// allows plain HTTP by saying so."""
    given = {name: os.environ[name] for name in STORE_OPTIONS if os.environ.get(name)}
    if given.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        given["AWS_ALLOW_HTTP"] = "true"
    return given


def _store_problems(variables: Mapping[str, str]) -> list[str]:
    problems = [
        f"{name} is set: {reason}. Unset it."
        for name, reason in UNSAFE_OPTIONS.items()
        if variables.get(name) and (name, variables[name]) != ("AWS_CONDITIONAL_PUT", "etag")
    ]
    encryption = variables.get("AWS_SERVER_SIDE_ENCRYPTION")
    if encryption and encryption not in ENCRYPTIONS:
        problems.append(f"AWS_SERVER_SIDE_ENCRYPTION is {encryption!r}. Use one of: {', '.join(ENCRYPTIONS)}.")
    if variables.get("AWS_SSE_KMS_KEY_ID") and not (encryption or "").startswith("aws:kms"):
        problems.append("AWS_SSE_KMS_KEY_ID is set, which needs AWS_SERVER_SIDE_ENCRYPTION=aws:kms. Set both.")
    return problems


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _invalid(problem: object) -> str:
    assert isinstance(problem, dict)
    name = _variable(str(problem["loc"][0]))
    if name == f"{PREFIX}ENVIRONMENT":
        known = ", ".join(Environment)
        return f"{name} is {problem['input']!r}, which is no environment. Use one of: {known}."
    return f"{name} is not usable: {problem['msg']}."


def _report(problems: list[str]) -> str:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return f"the settings do not describe one installation:\n{lines}"
