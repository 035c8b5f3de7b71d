"""Connecting an account by signing in at its provider: OAuth 2.0, authorization code, with PKCE (RFC 7636).

The state of a sign-in is used once, within ten minutes, and only by the browser that has begun it: the provider's
answer comes without the user's token, and nobody may finish in another's name, nor have another finish for them.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from shared.accounts.credentials.providers import Provider
from shared.accounts.credentials.records import RECORD_VERSION, Credential
from shared.accounts.credentials.tokens import SignInRefused, TokenEndpoints
from shared.accounts.credentials.vault import Vault
from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Delete, Item, Key, Put
from shared.kernel.clock import Clock
from shared.kernel.errors import ConfigError, Invalid, LimitReached, Retryable
from shared.kernel.ids import Ids, digest
from shared.kernel.telemetry import log_problem

SIGN_IN_SECONDS = 600
MAX_STATE_CHARACTERS = 200
MAX_CODE_CHARACTERS = 4_000
Failure = Literal["sign_in_expired", "sign_in_refused", "provider_unavailable", "too_many_credentials"]


@dataclass(frozen=True)
class SignIn:
    """One that has begun."""

    url: str
    """Where the user's browser goes."""
    browser: str = field(repr=False)
    """What the browser keeps as a cookie, and shows when it comes back."""


@dataclass(frozen=True)
class CameBack:
    """What a provider sends the user's browser back with."""

    state: str = field(repr=False)
    code: str = field(repr=False)
    browser: str = field(repr=False)


class SigningIn:
    """Of all users; each sign-in is one user's."""

    def __init__(
        self, vault: Vault, endpoints: TokenEndpoints, database: Database, clock: Clock, ids: Ids, http_url: str
    ) -> None:
        """`http_url` is the public address of the HTTP API, which providers send browsers back to."""
        self.vault = vault
        self.http_url = http_url.rstrip("/")
        self._endpoints = endpoints
        self._database = database
        self._clock = clock
        self._ids = ids

    @property
    def redirect_uri(self) -> str:
        """What is registered with each provider."""
        return f"{self.http_url}/api/credentials/oauth/callback"

    def begin(self, user_id: str, provider_name: str, browser: str = "") -> SignIn:
        """Send the user to the provider; `browser` is what their browser keeps from an earlier time, if anything.

        Raises:
            Invalid: there is no such provider, or its accounts are not connected like this.
        """
        provider = self.vault.providers.get(provider_name)
        if provider.oauth is None:
            raise Invalid(f"{provider.title} is connected by POST /api/credentials.", code="UNKNOWN_PROVIDER")
        state, verifier, browser = self._ids.secret(), self._ids.secret(), browser or self._ids.secret()
        row: Item = {
            **_key(state),
            "v": RECORD_VERSION,
            "user_id": user_id,
            "provider": provider.name,
            "verifier": verifier,
            "browser": digest(browser),
            "expires_at": int(self._clock.now()) + SIGN_IN_SECONDS,
        }
        self._database.write(Put(row, condition="attribute_not_exists(#pk)"))
        return SignIn(self._address(provider, state, verifier), browser)

    def finish(self, came_back: CameBack) -> Credential | Failure:
        """Keep what the provider gives; or why there is nothing to keep."""
        row = self._taken(came_back)
        provider = self.vault.providers.find(row["provider"]) if row else None
        if row is None or provider is None:
            return "sign_in_expired"
        if not came_back.code:
            return "sign_in_refused"
        try:
            tokens = self._endpoints.exchange(provider, came_back.code, row["verifier"], self.redirect_uri)
            return self.vault.connect_signed_in(row["user_id"], provider, tokens)
        except SignInRefused:
            log_problem("credential.refused", user_id=row["user_id"], provider=provider.name)
            return "sign_in_refused"
        except LimitReached:
            return "too_many_credentials"
        except (Retryable, ConfigError) as error:
            log_problem("credential.refused", user_id=row["user_id"], provider=provider.name, code=error.code)
            return "provider_unavailable"

    def _taken(self, came_back: CameBack) -> Item | None:
        """The sign-in that this ends; nobody gets it a second time."""
        values = {"browser": digest(came_back.browser), "now": int(self._clock.now())}
        condition = "#browser = :browser AND #expires_at > :now"
        try:
            return self._database.write(Delete(_key(came_back.state), condition, values)) or None
        except ConditionFailed:
            return None

    def _address(self, provider: Provider, state: str, verifier: str) -> str:
        oauth = provider.oauth
        assert oauth is not None, "asked before"
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        where = urlsplit(oauth.authorize_url)
        query = {
            **dict(parse_qsl(where.query)),
            **oauth.authorize_parameters,
            "response_type": "code",
            "client_id": oauth.client_id,
            "redirect_uri": self.redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"scope": " ".join(oauth.scopes)} if oauth.scopes else {}),
        }
        return urlunsplit(where._replace(query=urlencode(query), fragment=""))


def _key(state: str) -> Key:
    return {"pk": f"OAUTH#{digest(state)}", "sk": "META"}
