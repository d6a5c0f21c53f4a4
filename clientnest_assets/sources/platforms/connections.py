"""The connections file: which accounts to ask, and the secrets to ask with. It is read, never written.

Tokens refreshed since are kept elsewhere, see `tokens.py`.
"""

from __future__ import annotations

import json
import stat
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.platforms.registry import PLATFORMS
from clientnest_assets.sources.platforms.spec import Platform


class ConnectionsError(ClientNestError):
    """The connections file cannot be used. The message names each key at fault, and never a secret."""


class Application(BaseModel):
    """Our application at one platform, and how to reach the platform."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    version: str | None = None
    base_url: str | None = Field(default=None, pattern="^https?://")
    """Another address than the platform's own: a proxy, or the stand-in."""


class Connection(BaseModel):
    """One account that its owner has connected."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    platform: str
    account_id: int = Field(ge=1)
    """Its id in social_media_accounts."""
    external_id: str = Field(min_length=1, pattern=r"^[\w.:-]+$")
    """Its id at the platform."""
    access_token: SecretStr
    refresh_token: SecretStr = SecretStr("")
    expires_at: datetime | None = None
    """When the access token expires, where that is known."""

    @field_validator("expires_at")
    @classmethod
    def _in_utc(cls, moment: datetime | None) -> datetime | None:
        return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment

    @property
    def name(self) -> str:
        """How the account is called in messages and files: without its handle, which is personal."""
        return f"{self.platform}/{self.account_id}"


class Connections(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    applications: dict[str, Application] = Field(default_factory=dict)
    accounts: list[Connection]

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted({*self.applications, *(each.platform for each in self.accounts)} - set(PLATFORMS))
        if unknown:
            raise ValueError(f"no platform {', '.join(unknown)}; there are {', '.join(PLATFORMS)}")
        twice = sorted(name for name, count in Counter(each.name for each in self.accounts).items() if count > 1)
        if twice:
            raise ValueError(f"accounts stand twice: {', '.join(twice)}")
        for name, application in self.applications.items():
            versions = PLATFORMS[name].versions
            if application.version is not None and application.version not in versions:
                raise ValueError(
                    f"applications.{name}.version {application.version} is not known; known are {', '.join(versions)}"
                )
        return self

    def application(self, platform: Platform) -> Application:
        """The application at a platform; one without id and secret if the file names none."""
        return self.applications.get(platform.name, Application())

    def of(self, platform: Platform, account_id: int | None = None) -> list[Connection]:
        """The platform's accounts, or the one with that id, in the file's order."""
        mine = [each for each in self.accounts if each.platform == platform.name]
        return [each for each in mine if account_id in (None, each.account_id)]


def load_connections(file: Path) -> Connections:
    """The connections in a YAML or JSON file.

    Raises:
        ConnectionsError: if it is missing, open to others than its owner, or not as documented.
    """
    if not file.is_file():
        raise ConnectionsError(
            f"there is no connections file {file}. Write one as docs/platforms.md shows, or unset "
            "CLIENTNEST_PLATFORM_CONNECTIONS."
        )
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConnectionsError(f"{file} holds secrets and others than its owner may read it. Run: chmod 600 {file}")
    try:
        text = file.read_text("utf-8")
        content: Any = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
        return Connections.model_validate(content)
    except (ValueError, yaml.YAMLError) as error:
        # What a parser says of the text could quote a secret.
        raise ConnectionsError(f"{file} cannot be used:\n{_problems(error)}") from None


def _problems(error: Exception) -> str:
    if isinstance(error, ValidationError):
        lines = [(".".join(str(part) for part in each["loc"]), str(each["msg"])) for each in error.errors()]
    elif isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        lines = [(f"line {error.problem_mark.line + 1}", "this is not YAML")]
    elif isinstance(error, json.JSONDecodeError):
        lines = [(f"line {error.lineno}", "this is not JSON")]
    else:
        lines = [("the file", "this is no text in UTF-8")]
    return "\n".join(f"  - {where}: {what}" if where else f"  - {what}" for where, what in lines)
