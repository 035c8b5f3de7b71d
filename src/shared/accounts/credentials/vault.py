"""A user's accounts elsewhere: connected, listed, forgotten, and opened for the one use that is named."""

from collections.abc import Iterable

from shared.accounts.credentials.envelope import SealBroken, seal, unseal
from shared.accounts.credentials.new_credentials import GivenCredential
from shared.accounts.credentials.providers import Provider, Providers
from shared.accounts.credentials.records import Credential, sealing_context
from shared.accounts.credentials.refreshing import Refresher, expired
from shared.accounts.credentials.secrets import Secret
from shared.accounts.credentials.store import CredentialStore
from shared.accounts.credentials.tokens import Tokens
from shared.aws.keys import DataKeys
from shared.aws.writes import Write
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Retryable, ToolError
from shared.kernel.ids import Ids
from shared.kernel.telemetry import log_event, log_failure


class Vault:
    """Of all users; each call names one."""

    def __init__(
        self,
        store: CredentialStore,
        keys: DataKeys,
        providers: Providers,
        refresher: Refresher,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._keys = keys
        self._refresher = refresher
        self._clock = clock
        self._ids = ids
        self.providers = providers

    # -- for its user ----------------------------------------------------------------------------

    def connect(self, user_id: str, given: GivenCredential) -> Credential:
        """Keep a secret that the user gives.

        Raises:
            LimitReached: they have as many as they may.
            Retryable: KMS or storage does not answer.
        """
        provider = self.providers.get(given.provider)
        credential = Credential(
            id=self._ids.new(),
            user_id=user_id,
            provider=provider.name,
            kind=provider.kind,
            title=given.title or provider.title,
            hosts=tuple(dict.fromkeys(given.hosts)),
            created_at=to_millis(self._clock.now()),
            sealed=seal(self._keys, sealing_context(user_id, provider.name), given.values()),
            header_name=given.header,
        )
        return self._kept(credential)

    def connect_signed_in(self, user_id: str, provider: Provider, tokens: Tokens, *also: Write) -> Credential:
        """Keep what a provider has given after the user signed in there; `also` is written with it.

        Raises:
            LimitReached, TransactionFailed, Retryable: see `CredentialStore.put`.
        """
        credential = Credential(
            id=self._ids.new(),
            user_id=user_id,
            provider=provider.name,
            kind="oauth2",
            title=provider.title,
            hosts=provider.hosts,
            created_at=to_millis(self._clock.now()),
            sealed=seal(self._keys, sealing_context(user_id, provider.name), tokens.values()),
            scopes=tokens.scopes or provider.scopes,
            token_expires_at=tokens.expires_at,
        )
        return self._kept(credential, *also)

    def all_of(self, user_id: str) -> list[Credential]:
        """All of the user's, the newest first."""
        return self._store.of(user_id)

    def rename(self, user_id: str, credential_id: str, title: str) -> Credential:
        """Give one another title.

        Raises:
            NotFound: the user has none of this id.
        """
        return self._store.rename(self._store.get(user_id, credential_id), title)

    def forget(self, user_id: str, credential_id: str) -> None:
        """Delete one, with its secret.

        Raises:
            NotFound: the user has none of this id.
        """
        credential = self._store.get(user_id, credential_id)
        self._store.delete(credential)
        log_event("credential.removed", **credential.ids)

    # -- for what works for them -----------------------------------------------------------------

    def missing(self, user_id: str, providers: Iterable[str], host: str = "") -> list[str]:
        """Those of the providers of which the user has no account that works, for `host` if it is named."""
        wanted = list(dict.fromkeys(providers))
        working = (one for one in self._store.of(user_id) if one.state == "ready") if wanted else ()
        ready = {one.provider for one in working if not host or self._may_go_to(one, host)}
        return [name for name in wanted if name not in ready or self.providers.find(name) is None]

    def secret(self, user_id: str, provider: str, host: str) -> Secret:
        """The user's newest secret of the provider that may be sent to `host` (`api.example.com`, or with a port).

        Raises:
            ToolError: `credentials_missing`: they have none; `credential_not_for_this_host`: none may be sent there;
                `credential_expired`, `credential_busy`, `credential_refresh_failed`: see `Refresher.fresh`;
                `credential_unreadable`: it was sealed for something else; `credentials_unavailable`: KMS or storage
                does not answer.
        """
        try:
            return self._opened(*self._chosen(user_id, provider, host))
        except Retryable as error:
            raise ToolError(
                "Credentials can't be read right now; try again.", code="credentials_unavailable"
            ) from error

    def _may_go_to(self, one: Credential, host: str) -> bool:
        provider = self.providers.find(one.provider)
        return provider is not None and host in (provider.hosts or one.hosts)

    def _kept(self, credential: Credential, *also: Write) -> Credential:
        self._store.put(credential, *also)
        log_event("credential.connected", **credential.ids)
        return credential

    def _chosen(self, user_id: str, name: str, host: str) -> tuple[Provider, Credential]:
        provider = self.providers.find(name)
        found = self._store.of(user_id, name) if provider else []
        if provider is None or not found:
            raise ToolError(
                f"The user has connected no {name} account. Use connect_integration.", code="credentials_missing"
            )
        fitting = [one for one in found if host in (provider.hosts or one.hosts)]
        if not fitting:
            raise ToolError(
                f"None of the user's {name} accounts may be used with {host}: each is bound to the hosts that it was "
                "connected for.",
                code="credential_not_for_this_host",
            )
        ready = [one for one in fitting if one.state == "ready"]
        if not ready:
            raise expired(provider)
        return provider, ready[0]

    def _opened(self, provider: Provider, chosen: Credential) -> Secret:
        try:
            credential = self._refresher.fresh(provider, chosen)
            values = unseal(self._keys, credential.context, credential.sealed)
        except SealBroken as error:
            log_failure("credential.unreadable", error, **chosen.ids)
            raise ToolError(
                f"The user's {provider.name} account can't be read; it must be connected again.",
                code="credential_unreadable",
            ) from None
        self._store.note_use(credential)
        return Secret(provider.name, credential.kind, values, credential.header_name)
