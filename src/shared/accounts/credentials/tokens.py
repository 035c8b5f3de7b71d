"""What is asked of an OAuth provider's token endpoint (RFC 6749), and how its answers are read."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from shared.accounts.credentials.providers import Provider
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Retryable

_Token = Annotated[str, StringConstraints(min_length=1, max_length=16_000, pattern=r"^[\x21-\x7e]+$")]
_ENDED = frozenset({"invalid_grant"})


@dataclass(frozen=True)
class FormAnswer:
    """What a server has answered to a form."""

    status: int
    text: str = field(repr=False)


class PostForm(Protocol):
    """Sends a form to a server of the public internet."""

    def __call__(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> FormAnswer:
        """Its answer, whatever its status; redirects are not followed.

        Raises:
            Retryable: there is none.
        """


class GrantEnded(Exception):
    """The provider no longer honours what the user has granted."""


class SignInRefused(Exception):
    """The provider does not give tokens for this."""


@dataclass(frozen=True)
class Tokens:
    """What a provider has given."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: int | None = None
    """Milliseconds; None: it doesn't say."""
    scopes: tuple[str, ...] = ()

    def values(self) -> dict[str, str]:
        """What is sealed."""
        return {"access_token": self.access_token, "refresh_token": self.refresh_token}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    access_token: _Token
    refresh_token: _Token | None = None
    expires_in: int | None = None
    scope: Annotated[str, StringConstraints(max_length=4_000)] = ""


class TokenEndpoints:
    """Talks to those of the deployment's providers."""

    def __init__(self, post: PostForm, read_secret: Callable[[str], str], clock: Clock) -> None:
        self._post = post
        self._read_secret = read_secret
        self._clock = clock

    def exchange(self, provider: Provider, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """The tokens for an authorization code.

        Raises:
            SignInRefused: the provider refuses, or its answer can't be read.
            Retryable: it does not answer.
        """
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        try:
            return self._ask(provider, fields)
        except GrantEnded as error:
            raise SignInRefused from error

    def refresh(self, provider: Provider, refresh_token: str) -> Tokens:
        """New tokens for a refresh token; it stays the same if the provider gives no new one.

        Raises:
            GrantEnded: the user has to sign in again.
            SignInRefused: the provider refuses, or its answer can't be read.
            Retryable: it does not answer.
        """
        tokens = self._ask(provider, {"grant_type": "refresh_token", "refresh_token": refresh_token})
        kept = tokens.refresh_token or refresh_token
        return Tokens(tokens.access_token, kept, tokens.expires_at, tokens.scopes)

    def _ask(self, provider: Provider, fields: Mapping[str, str]) -> Tokens:
        oauth = provider.oauth
        assert oauth is not None, "others have no tokens"
        secret = self._read_secret(oauth.client_secret_parameter) if oauth.client_secret_parameter else ""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        sent = dict(fields)
        if secret and oauth.client_authentication == "basic":
            pair = f"{quote(oauth.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            sent |= {"client_id": oauth.client_id, **({"client_secret": secret} if secret else {})}
        answer = self._post(oauth.token_url, sent, headers)
        if answer.status >= 500 or answer.status == 429:
            raise Retryable(f"{provider.title} answered {answer.status}.", code="provider_unavailable")
        return self._read(answer)

    def _read(self, answer: FormAnswer) -> Tokens:
        """Some providers answer an error with 200."""
        try:
            said = json.loads(answer.text)
        except (ValueError, RecursionError):
            raise SignInRefused from None
        if isinstance(said, dict) and said.get("error") in _ENDED:
            raise GrantEnded
        try:
            given = _Answer.model_validate(said)
        except ValidationError:
            raise SignInRefused from None
        if answer.status >= 300:
            raise SignInRefused
        ends = None
        if given.expires_in is not None and 0 < given.expires_in < 10 * 365 * 86_400:
            ends = to_millis(self._clock.now()) + given.expires_in * 1000
        scopes = tuple(given.scope.replace(",", " ").split())[:100]
        return Tokens(given.access_token, given.refresh_token or "", ends, scopes)
