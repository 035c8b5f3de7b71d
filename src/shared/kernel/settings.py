"""The environment, read once, validated, and typed. A function names the part that it needs."""

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.kernel.errors import ConfigError
from shared.kernel.limits import MAX_RUN_DAYS

_GENERAL_PROVIDERS = frozenset({"http_api_key", "http_bearer", "http_basic", "webhook_signing"})
"""Kinds of accounts that every deployment has."""


class Settings(BaseModel):
    """Base of a function's settings: one field an environment variable, its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read and validate; a missing or wrong value refuses to start, naming the variable."""
        values = os.environ if environment is None else environment
        known = {name: values[name.upper()] for name in cls.model_fields if values.get(name.upper())}
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            wrong = "; ".join(f"{str((*e['loc'], 'settings')[0]).upper()}: {e['msg']}" for e in error.errors())
            raise ConfigError(f"The environment is incomplete: {wrong}") from error


class TableSettings(Settings):
    """Where records are."""

    state_table: str
    chunks_table: str = ""


class BudgetLimits(Settings):
    """What may be spent on models, in tokens (prompt + completion) and US dollars. None: no limit; 0: nothing."""

    turn_max_tokens: int | None = Field(default=None, ge=0, description="of one turn")
    turn_max_cost_usd: float | None = Field(default=None, ge=0)
    run_max_tokens: int | None = Field(default=None, ge=0, description="of one run of an agent")
    run_max_cost_usd: float | None = Field(default=None, ge=0)
    tree_max_tokens: int | None = Field(default=None, ge=0, description="of a turn and all that it starts for itself")
    tree_max_cost_usd: float | None = Field(default=None, ge=0)
    user_day_max_tokens: int | None = Field(default=None, ge=0, description="of a user, from 00:00 UTC")
    user_day_max_cost_usd: float | None = Field(default=None, ge=0)
    user_week_max_tokens: int | None = Field(default=None, ge=0, description="of a user, from Monday 00:00 UTC")
    user_week_max_cost_usd: float | None = Field(default=None, ge=0)

    def of_kind(self, kind: str) -> Self:
        """The same for a task of that kind: a run has bounds of its own in place of a turn's."""
        if kind != "run":
            return self
        own = {"turn_max_tokens": self.run_max_tokens, "turn_max_cost_usd": self.run_max_cost_usd}
        return self.model_copy(update=own)

    def narrowed(self, tree_tokens: int, tree_micros: int) -> Self:
        """The same for a tree that may use less than the deployment allows; 0: as much."""
        tokens, dollars = self.tree_max_tokens, self.tree_max_cost_usd
        if tree_tokens and (tokens is None or tree_tokens < tokens):
            tokens = tree_tokens
        if tree_micros and (dollars is None or tree_micros / 1_000_000 < dollars):
            dollars = tree_micros / 1_000_000
        return self.model_copy(update={"tree_max_tokens": tokens, "tree_max_cost_usd": dollars})


class StorageSettings(BudgetLimits, TableSettings):
    """What every function that touches the tables, the queues and the sockets needs."""

    turn_queue_url: str
    run_queue_url: str
    websocket_endpoint: str = Field(description="HTTPS endpoint of @connections")
    retention_days: int = Field(default=7, ge=1, le=90, description="how long streamed parts are kept")
    sends_per_minute: int | None = Field(default=None, ge=0, le=1_000, description="per user; None: no limit")
    max_running_turns: int | None = Field(
        default=None, ge=0, le=1_000, description="of a user, at once; None: no limit"
    )
    max_turns_in_flight: int | None = Field(
        default=None, ge=0, le=10_000, description="of a user, running and queued; None: no limit"
    )
    max_running_sub_sessions: int | None = Field(
        default=None, ge=0, le=1_000, description="of one tree, at once; None: no limit"
    )
    max_running_runs: int | None = Field(
        default=None, ge=0, le=1_000, description="runs of a user's agents, at once; None: no limit"
    )
    max_runs_in_flight: int | None = Field(
        default=None, ge=0, le=10_000, description="runs of a user, running and queued; None: no limit"
    )
    run_max_days: int = Field(
        default=31, ge=1, le=MAX_RUN_DAYS, description="how long a run may take, waiting included"
    )
    run_retention_days: int = Field(default=90, ge=1, le=3_650, description="how long its records are kept after that")


class TurnBounds(Settings):
    """What ends a turn that would otherwise go on; each is checked before each step."""

    turn_max_steps: int = Field(default=30, ge=1)
    turn_max_tool_calls: int = Field(default=100, ge=1)
    turn_max_seconds: int = Field(default=6 * 3600, ge=1, description="wall time, waiting included")


class ModelPrice(BaseModel):
    """US dollars for a million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class ModelSettings(Settings):
    """Which model answers, and through which OpenAI-compatible server."""

    model_base_url: str
    model_name: str
    model_title_name: str = Field(default="", description="finds titles of sessions; empty: the same model")
    model_api_key_parameter: str = Field(description="name of an SSM SecureString parameter")
    model_prices: dict[str, ModelPrice] = Field(default_factory=dict)
    model_max_attempts: int = Field(default=4, ge=1, le=10)
    model_context_tokens: int = Field(default=128_000, ge=1_000, description="what it takes in one call")
    model_max_output_tokens: int | None = Field(default=None, ge=1, description="of one call; None: the model's own")

    @field_validator("model_prices", mode="before")
    @classmethod
    def _parse_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value


class McpServer(BaseModel):
    """A remote MCP server that this deployment allows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=1, max_length=2_048)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    headers_parameter: str = Field(default="", description="SSM SecureString with a JSON object of request headers")


class OperationService(BaseModel):
    """A service outside that takes work over and calls back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=1, max_length=2_048)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    description: str = Field(default="", max_length=500, description="what the model is told of it")

    @field_validator("url")
    @classmethod
    def _is_trustworthy(cls, value: str) -> str:
        """It is given a user's words, and an address that takes results."""
        if not is_protected(value):
            raise ValueError("must be an https URL (http only for a loopback address)")
        return value


class OAuthProvider(BaseModel):
    """A provider whose accounts users connect by signing in there (OAuth 2.0, authorization code with PKCE)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(default="", max_length=100)
    authorize_url: str = Field(min_length=1, max_length=2_048)
    token_url: str = Field(min_length=1, max_length=2_048)
    client_id: str = Field(min_length=1, max_length=500)
    client_secret_parameter: str = Field(default="", description="SSM SecureString; empty: a public client")
    client_authentication: Literal["post", "basic"] = Field(default="post", description="how the secret is shown")
    scopes: tuple[str, ...] = Field(default=(), max_length=100)
    hosts: tuple[str, ...] = Field(min_length=1, max_length=50, description="where access tokens may be sent")
    authorize_parameters: dict[str, str] = Field(default_factory=dict, max_length=20)

    @field_validator("authorize_url", "token_url")
    @classmethod
    def _is_trustworthy(cls, value: str) -> str:
        """One is where users sign in, the other is told the client's secret."""
        if not is_protected(value):
            raise ValueError("must be an https URL (http only for a loopback address)")
        return value


class CredentialSettings(Settings):
    """How users' accounts elsewhere are kept, and which there can be."""

    credentials_key: str = Field(default="", description="ARN of a KMS key; empty: none can be connected")
    oauth_providers: dict[str, OAuthProvider] = Field(default_factory=dict, description="JSON object, by name")

    @field_validator("oauth_providers", mode="before")
    @classmethod
    def _parse_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("oauth_providers")
    @classmethod
    def _have_names(cls, value: dict[str, OAuthProvider]) -> dict[str, OAuthProvider]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name) or name in _GENERAL_PROVIDERS:
                raise ValueError(f"{name!r} can't be a provider's name")
        return value


class ToolSettings(Settings):
    """What the tools need."""

    docs_dir: str = Field(default="", description="the documentation's pages; empty: shipped beside the code")
    workspace_bucket: str = Field(default="", description="S3 bucket for files; empty: no file tools")
    workspace_quota_mb: int = Field(default=250, ge=1, description="bytes of all files of a user, in MB of 1,000,000")
    tools_needing_approval: frozenset[str] = Field(
        default=frozenset(), description="comma list: the user is asked before each call of these"
    )
    approval_days: int = Field(default=30, ge=1, le=365, description="how long the user may take to answer")
    mcp_servers: tuple[McpServer, ...] = Field(default=(), description="JSON list of {url, name, headers_parameter?}")
    operation_services: tuple[OperationService, ...] = Field(
        default=(), description="JSON list of {url, name, description?}"
    )

    agent_generator_url: str = Field(default="", description="a service that builds agents; empty: the model does")
    agent_generator_key_parameter: str = Field(default="", description="SSM SecureString; empty: it wants no key")

    @field_validator("agent_generator_url")
    @classmethod
    def _keeps_what_it_is_told(cls, value: str) -> str:
        if value and not is_protected(value):
            raise ValueError("must be an https URL (http only for a loopback address)")
        return value

    @property
    def approval_seconds(self) -> int:
        """How long an answer is awaited."""
        return self.approval_days * 86_400

    @field_validator("tools_needing_approval", mode="before")
    @classmethod
    def _parse_list(cls, value: object) -> object:
        return {name.strip() for name in value.split(",") if name.strip()} if isinstance(value, str) else value

    @property
    def workspace_quota_bytes(self) -> int:
        """The quota as it is counted."""
        return self.workspace_quota_mb * 1_000_000

    @field_validator("mcp_servers", "operation_services", mode="before")
    @classmethod
    def _parse_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value


class IdentitySettings(Settings):
    """How callers prove who they are."""

    jwt_secret_parameter: str = Field(default="", description="name of an SSM SecureString parameter; empty: no HS256")
    jwt_jwks_url: str | None = Field(default=None, description="where the keys of RS256 and ES256 tokens are published")
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    guests_enabled: bool = False

    @field_validator("jwt_jwks_url")
    @classmethod
    def _is_trustworthy(cls, value: str | None) -> str | None:
        """Who can answer for this address decides who is signed in."""
        if value is None:
            return None
        if not is_protected(value):
            raise ValueError("must be an https URL (http only for a loopback address)")
        return value

    @model_validator(mode="after")
    def _can_tell_anybody(self) -> Self:
        if not (self.jwt_secret_parameter or self.jwt_jwks_url):
            raise ValueError("JWT_SECRET_PARAMETER or JWT_JWKS_URL is needed")
        if self.guests_enabled and not self.jwt_secret_parameter:
            raise ValueError("GUESTS_ENABLED needs JWT_SECRET_PARAMETER, which signs the guests' tokens")
        return self


def is_protected(address: str) -> bool:
    """Whether nobody on the way can read or change what goes to the address, or it never leaves the machine."""
    url = urlsplit(address)
    protected = url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.hostname or ""))
    return protected and bool(url.hostname) and url.username is None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OperationSettings(Settings):
    """How operations that are done elsewhere are completed."""

    operations_api_key_parameter: str = Field(default="", description="name of an SSM SecureString; empty: none can be")
    http_url: str = Field(default="", description="public address of the HTTP API, for callback URLs")


class ApiSettings(IdentitySettings):
    """What the HTTP API needs on top."""

    websocket_url: str = Field(description="WSS address that clients connect to")
    console_dir: str = Field(default="", description="where the console's files are; empty: beside the function")


class OriginSettings(Settings):
    """Which web origins may connect."""

    allowed_origins: str = ""

    @property
    def origins(self) -> frozenset[str]:
        """The origins; `*` allows any, which only a local stage may say."""
        return frozenset(o.strip() for o in self.allowed_origins.split(",") if o.strip())
