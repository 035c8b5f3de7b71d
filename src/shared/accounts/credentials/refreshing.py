"""Access tokens that have run out are replaced: by one at a time, and what comes is written back."""

from dataclasses import replace

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from shared.accounts.credentials.envelope import SealBroken, seal_with, unseal
from shared.accounts.credentials.providers import Provider
from shared.accounts.credentials.records import Credential
from shared.accounts.credentials.store import CredentialStore
from shared.accounts.credentials.tokens import GrantEnded, SignInRefused, TokenEndpoints, Tokens
from shared.aws.keys import DataKeys
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import ConfigError, Retryable, ToolError
from shared.kernel.ids import Ids
from shared.kernel.telemetry import log_event, log_problem

_EARLY_MILLIS = 60_000
"""So long before its end a token is replaced: the request that uses it is still to come."""
_CLAIM_SECONDS = 45.0
"""Longer than a provider may take to answer (30 s), so that only a dead one's claim is taken over."""
_PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.25
_ATTEMPTS = 5


def expired(provider: Provider) -> ToolError:
    """The user has to sign in again."""
    return ToolError(
        f"The user's {provider.title} account ({provider.name}) must be connected again: its grant has ended. "
        "Use connect_integration.",
        code="credential_expired",
    )


class Refresher:
    """Sees to it that an access token is good for the next minute."""

    def __init__(self, store: CredentialStore, keys: DataKeys, tokens: TokenEndpoints, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._keys = keys
        self._tokens = tokens
        self._clock = clock
        self._ids = ids

    def fresh(self, provider: Provider, credential: Credential) -> Credential:
        """The credential with a token that lasts.

        Raises:
            ToolError: `credential_expired`: the user has to connect it again; `credential_busy`: somebody else is
                refreshing it; `credential_refresh_failed`: its provider gives no token right now.
            Retryable: storage does not answer.
        """
        if not self._ends_within(credential, _EARLY_MILLIS):
            return credential
        owner, now = self._ids.new(), to_millis(self._clock.now())
        if self._store.claim_refresh(credential, owner, now, now + int(_CLAIM_SECONDS * 1000)):
            return self._refreshed(provider, credential, owner)
        return self._anothers(provider, credential)

    def _ends_within(self, credential: Credential, millis: int) -> bool:
        ends = credential.token_expires_at
        return ends is not None and ends - millis <= to_millis(self._clock.now())

    def _refreshed(self, provider: Provider, credential: Credential, owner: str) -> Credential:
        """By the one who holds the claim. Behind the provider's answer nothing is left to do but to store it."""
        try:
            refresh_token = unseal(self._keys, credential.context, credential.sealed)["refresh_token"]
            key = self._keys.new(credential.context)
            tokens = self._renewed(provider, refresh_token)
        except GrantEnded:
            self._store.write_back(replace(credential, state="needs_reconnect"), owner)
            log_problem("credential.ended", **credential.ids)
            raise expired(provider) from None
        except (SignInRefused, Retryable, ConfigError) as error:
            self._store.release_refresh(credential, owner)
            log_problem("credential.refresh_failed", **credential.ids, error=type(error).__name__)
            raise ToolError(
                f"{provider.title} gives no new access token right now; try again later.",
                code="credential_refresh_failed",
            ) from None
        except SealBroken:
            self._store.release_refresh(credential, owner)
            raise
        kept = replace(
            credential,
            sealed=seal_with(key, credential.context, tokens.values()),
            token_expires_at=tokens.expires_at,
            scopes=tokens.scopes or credential.scopes,
        )
        stored = self._written_back(kept, owner)
        log_event("credential.refreshed", **credential.ids)
        return stored

    def _written_back(self, kept: Credential, owner: str) -> Credential:
        """Storage is given several chances: a refresh token may be good for one use, and this is the only copy."""
        attempts = Retrying(
            retry=retry_if_exception_type(Retryable),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=_POLL_SECONDS),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return attempts(self._store.write_back, kept, owner)

    def _renewed(self, provider: Provider, refresh_token: str) -> Tokens:
        if not refresh_token:  # the provider has given none
            raise GrantEnded
        return self._tokens.refresh(provider, refresh_token)

    def _anothers(self, provider: Provider, seen: Credential) -> Credential:
        """What somebody else's refresh brings; the old token, if it is still good for now."""
        if not self._ends_within(seen, 0):
            return seen
        limit = self._clock.now() + _PATIENCE_SECONDS
        while True:
            current = self._store.read_again(seen)
            if current is None or current.state == "needs_reconnect":
                raise expired(provider)
            if current.revision != seen.revision:
                return current
            if self._clock.now() >= limit:
                raise ToolError(
                    f"The access to {provider.title} is being renewed by another call; try again in a moment.",
                    code="credential_busy",
                )
            self._clock.sleep(_POLL_SECONDS)
