"""A vault whose keys are moto's, and OAuth providers that a test speaks for."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from botocore.exceptions import EndpointConnectionError

from shared.accounts.credentials.new_credentials import NewCredential
from shared.accounts.credentials.providers import Providers
from shared.accounts.credentials.records import Credential
from shared.accounts.credentials.refreshing import Refresher
from shared.accounts.credentials.store import CredentialStore
from shared.accounts.credentials.tokens import FormAnswer, TokenEndpoints
from shared.accounts.credentials.vault import Vault
from shared.aws.database import Database
from shared.aws.keys import DataKeys, KmsClient
from shared.kernel.clock import Clock
from shared.kernel.ids import RandomIds
from shared.kernel.settings import OAuthProvider
from tests.support.aws import aws_client

TOKEN = "a-bearer-token-nobody-may-see"
SIGNING_SECRET = "whsec_" + "QUJD" * 8
BEARER = {"provider": "http_bearer", "token": TOKEN, "hosts": ["api.example.com"]}
SIGNING = {"provider": "webhook_signing", "key": SIGNING_SECRET, "hosts": ["hooks.example.com"]}
RIVERS = OAuthProvider(
    title="Rivers",
    authorize_url="https://login.example.com/authorize?tenant=all",
    token_url="https://login.example.com/token",
    client_id="parley",
    client_secret_parameter="/parley/oauth/rivers",
    scopes=("read", "offline"),
    hosts=("rivers.example.com",),
)


@dataclass
class TokenServer:
    """Answers forms as told, one after the other; what it is asked is kept."""

    answers: list[FormAnswer | Callable[[], FormAnswer]] = field(default_factory=list)
    asked: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> FormAnswer:
        self.asked.append(fields)
        answer = self.answers.pop(0)
        return answer() if callable(answer) else answer


def tokens(status: int = 200, **fields: Any) -> FormAnswer:
    """An answer of a token endpoint."""
    return FormAnswer(status, json.dumps(fields))


@dataclass
class Safe:
    """A vault, and what it is made of."""

    vault: Vault
    store: CredentialStore
    keys: DataKeys
    server: TokenServer
    database: Database
    kms: Any
    """boto3's client."""

    def connect(self, given: Mapping[str, Any], user: str = "ada") -> Credential:
        """As over HTTP."""
        return self.vault.connect(user, NewCredential.model_validate(given).root)


@contextmanager
def silent_kms(safe: Safe, operation: str) -> Iterator[None]:
    """For the length of a block KMS does not answer."""

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="kms")

    name = f"before-call.kms.{operation}"
    safe.kms.meta.events.register(name, fail)
    try:
        yield
    finally:
        safe.kms.meta.events.unregister(name, fail)


def open_safe(
    database: Database,
    clock: Clock,
    oauth: Mapping[str, OAuthProvider] | None = None,
    server: TokenServer | None = None,
) -> Safe:
    """A vault with a key of its own; must be called inside `mock_aws`."""
    client = aws_client("kms")
    keys = DataKeys(lambda: cast("KmsClient", client), client.create_key()["KeyMetadata"]["Arn"])
    store, ids, server = CredentialStore(database, clock), RandomIds(clock), server or TokenServer()
    endpoints = TokenEndpoints(server, lambda _parameter: "the client's secret", clock)
    refresher = Refresher(store, keys, endpoints, clock, ids)
    providers = Providers({"rivers": RIVERS} if oauth is None else oauth)
    return Safe(Vault(store, keys, providers, refresher, clock, ids), store, keys, server, database, client)
