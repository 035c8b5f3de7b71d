"""What is kept of a credential.

| record     | pk                        | sk                | notes                                                  |
|------------|---------------------------|-------------------|--------------------------------------------------------|
| credential | `VAULT#{user}`            | `{provider}#{id}` | the secret is in `sealed`; `revision` rises with each  |
|            |                           |                   | refresh; `refreshing`: who does that, and until when   |
| count      | `VAULT#{user}`            | `#COUNT`          | how many the user has                                  |
| sign-in    | `OAUTH#{digest of state}` | `META`            | a user on the way to a provider and back; 10 minutes   |
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from shared.accounts.credentials.envelope import Sealed
from shared.accounts.credentials.secrets import Kind
from shared.aws.writes import Item, Key
from shared.kernel.clock import iso
from shared.kernel.events import CredentialIds

RECORD_VERSION = 1
State = Literal["ready", "needs_reconnect"]


@dataclass(frozen=True)
class Credential:
    """One account of a user."""

    id: str
    user_id: str
    provider: str
    kind: Kind
    title: str
    hosts: tuple[str, ...]
    """Where its secret may be sent: `api.example.com`, or with a port `api.example.com:8443`."""
    created_at: int
    sealed: Sealed = field(repr=False)
    header_name: str = "Authorization"
    """In which request header an API key is sent."""
    scopes: tuple[str, ...] = ()
    state: State = "ready"
    token_expires_at: int | None = None
    """When its access token ends, in milliseconds; None: never, as far as its provider says."""
    used_on: str | None = None
    """The last day of use, in UTC."""
    revision: int = 1

    @property
    def key(self) -> Key:
        """Where it is."""
        return credential_key(self.user_id, self.provider, self.id)

    @property
    def ids(self) -> CredentialIds:
        """What every log line about it names."""
        return {"user_id": self.user_id, "provider": self.provider, "credential_id": self.id}

    @property
    def context(self) -> dict[str, str]:
        """What its secret is sealed for."""
        return sealing_context(self.user_id, self.provider)

    def public(self) -> dict[str, Any]:
        """What its user is shown: never the secret, nor a part of it."""
        return {
            "id": self.id,
            "provider": self.provider,
            "kind": self.kind,
            "title": self.title,
            "hosts": list(self.hosts),
            "scopes": list(self.scopes),
            "status": self.state,
            "created_at": iso(self.created_at),
            "last_used_on": self.used_on,
            "token_expires_at": iso(self.token_expires_at) if self.token_expires_at else None,
        }

    def to_item(self) -> Item:
        """The stored form."""
        return {
            **self.key,
            "v": RECORD_VERSION,
            "id": self.id,
            "user_id": self.user_id,
            "provider": self.provider,
            "kind": self.kind,
            "title": self.title,
            "hosts": list(self.hosts),
            "created_at": self.created_at,
            "sealed": self.sealed.to_item(),
            "header_name": self.header_name,
            "scopes": list(self.scopes),
            "state": self.state,
            "token_expires_at": self.token_expires_at,
            "used_on": self.used_on,
            "revision": self.revision,
        }

    @classmethod
    def from_item(cls, item: Item) -> "Credential":
        """The record from its stored form."""
        return cls(
            id=item["id"],
            user_id=item["user_id"],
            provider=item["provider"],
            kind=item["kind"],
            title=item["title"],
            hosts=tuple(item["hosts"]),
            created_at=item["created_at"],
            sealed=Sealed.from_item(item["sealed"]),
            header_name=item["header_name"],
            scopes=tuple(item["scopes"]),
            state=item["state"],
            token_expires_at=item.get("token_expires_at"),
            used_on=item.get("used_on"),
            revision=item["revision"],
        )


def vault_pk(user_id: str) -> str:
    """Where all of a user's are."""
    return f"VAULT#{user_id}"


def credential_key(user_id: str, provider: str, credential_id: str) -> Key:
    """Where one is."""
    return {"pk": vault_pk(user_id), "sk": f"{provider}#{credential_id}"}


def count_key(user_id: str) -> Key:
    """Where they are counted; no provider's name begins like this."""
    return {"pk": vault_pk(user_id), "sk": "#COUNT"}


def sealing_context(user_id: str, provider: str) -> dict[str, str]:
    """What a secret is bound to."""
    return {"user": user_id, "provider": provider}
