"""Settings, from the environment or a .env file; anything unknown or wrong stops the start with one line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "LADDER_"

# Atlassian's install-key hosts, in the order in which they are asked (design/jira.md section 2).
CONNECT_KEY_HOSTS = (
    "https://asap-distribution.us-west-2.prod.atl-asap.net",
    "https://connect-install-keys.atlassian.com",
)
# Sites that we are willing to send requests to: an install body names the host, so without a list a forged or
# mistaken one could point us at an address inside our own network (SSRF).
JIRA_HOSTS = ("*.atlassian.net", "*.jira.com")


class BadSettings(Exception):
    """The settings cannot be used; the message is one line that names the variable."""

    reason = "bad_settings"


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """Everything that can be configured (interfaces.md, "Configuration")."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True, frozen=True)

    database_url: str = ""
    queue_url: str = ""
    base_url: str = "http://127.0.0.1:8080"
    secret_keys: CommaSeparated = ()
    connect_key_hosts: CommaSeparated = CONNECT_KEY_HOSTS
    connect_script_url: str = "https://connect-cdn.atl-paas.net/all.js"
    jira_hosts: CommaSeparated = JIRA_HOSTS
    forge_app_id: str = ""
    forge_jwks_url: str = "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json"
    linear_client_id: str = ""
    linear_client_secret: str = ""
    linear_webhook_secrets: CommaSeparated = ()
    linear_api_url: str = "https://api.linear.app/graphql"
    linear_oauth_url: str = "https://linear.app/oauth"
    log_format: Literal["json", "text"] = "text"
    trusted_proxies: int = Field(default=0, ge=0, le=9)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not re.match(r"(sqlite:///|postgres(ql)?(\+psycopg)?://)", value):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", value)

    @field_validator("queue_url")
    @classmethod
    def _known_queue(cls, value: str) -> str:
        if value and not re.match(r"(redis|rediss|sqlite|postgres|postgresql)://", value):
            raise ValueError("must start with redis://, sqlite:// or postgresql://")
        return value

    @field_validator("base_url", "connect_script_url", "linear_api_url", "linear_oauth_url", "forge_jwks_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http(s) address")
        return value.rstrip("/")

    @field_validator("connect_key_hosts")
    @classmethod
    def _key_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any(urlsplit(host).scheme not in ("http", "https") for host in value):
            raise ValueError("must be a comma-separated list of http(s) addresses")
        return tuple(host.rstrip("/") for host in value)

    @field_validator("secret_keys")
    @classmethod
    def _fernet_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for key in value:
            try:
                Fernet(key)
            except ValueError:
                raise ValueError("each key must be a Fernet key (44 characters of URL-safe base64)") from None
        return value

    @model_validator(mode="after")
    def _keys_for_shared_databases(self) -> Settings:
        # Several machines must share the keys, so there is no file beside the database to keep them in.
        if self.database_url.startswith("postgresql") and not self.secret_keys:
            raise ValueError("LADDER_SECRET_KEYS is required when the database is not SQLite")
        return self

    @property
    def effective_database_url(self) -> str:
        """The database's address: as set, or an SQLite file in the platform's data folder."""
        return self.database_url or f"sqlite:///{user_data_path('ladder') / 'ladder.db'}"

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None on another database."""
        url = self.effective_database_url
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def load_settings(env_file: str | None = ".env", **given: Any) -> Settings:
    """Read the settings; `given` values win over the environment, which wins over the file.

    Raises BadSettings, whose message is one line naming the variable and what it should be.
    """
    named = {*os.environ, *(dotenv_values(env_file) if env_file else ())}
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    unknown = sorted(name for name in named if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise BadSettings(f"{unknown[0]}: no such setting; see README, Settings")
    try:
        return Settings(_env_file=env_file, **given)  # type: ignore[call-arg]  # an option of pydantic-settings
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = f"{PREFIX}{str(first['loc'][0]).upper()}: " if first["loc"] else ""
        raise BadSettings(f"{name}{first['msg'].removeprefix('Value error, ')}") from None
