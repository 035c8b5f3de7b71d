"""Whose accounts users can connect: a few general kinds, and the OAuth providers of the deployment. Pure rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.accounts.credentials.secrets import Kind
from shared.kernel.errors import Invalid
from shared.kernel.settings import OAuthProvider


@dataclass(frozen=True)
class Provider:
    """One that an account can be of."""

    name: str
    title: str
    kind: Kind
    hosts: tuple[str, ...] = ()
    """Where its secrets may be sent; empty: each credential names its own."""
    scopes: tuple[str, ...] = ()
    oauth: OAuthProvider | None = None

    def public(self) -> dict[str, object]:
        """What the API tells of it."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": self.kind,
            "hosts": list(self.hosts),
            "scopes": list(self.scopes),
        }


HTTP_API_KEY, HTTP_BEARER, HTTP_BASIC = "http_api_key", "http_bearer", "http_basic"
WEBHOOK_SIGNING = "webhook_signing"

_GENERAL = (
    Provider(HTTP_API_KEY, "API key in a header", "api_key"),
    Provider(HTTP_BEARER, "Bearer token", "bearer"),
    Provider(HTTP_BASIC, "User name and password", "basic"),
    Provider(WEBHOOK_SIGNING, "Secret that signs webhooks", "api_key"),
)


class Providers:
    """Those of one deployment."""

    def __init__(self, oauth: Mapping[str, OAuthProvider]) -> None:
        connected = (
            Provider(name, one.title or name, "oauth2", tuple(one.hosts), tuple(one.scopes), one)
            for name, one in oauth.items()
        )
        self._all = {provider.name: provider for provider in (*_GENERAL, *connected)}

    def all(self) -> list[Provider]:
        """By name."""
        return [self._all[name] for name in sorted(self._all)]

    def find(self, name: str) -> Provider | None:
        """The provider of that name."""
        return self._all.get(name)

    def get(self, name: str) -> Provider:
        """The provider of that name.

        Raises:
            Invalid: there is none.
        """
        provider = self.find(name)
        if provider is None:
            raise Invalid("There is no such provider.", code="UNKNOWN_PROVIDER", details={"known": sorted(self._all)})
        return provider
