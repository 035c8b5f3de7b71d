"""Secrets are sealed for one user and one provider, opened for one host, and shown to nobody."""

import base64
import html
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws
from pydantic import ValidationError

from shared.accounts.credentials.envelope import SealBroken, Sealed, seal, unseal
from shared.accounts.credentials.new_credentials import NewCredential
from shared.accounts.credentials.secrets import HIDDEN, Secret
from shared.accounts.credentials.store import MOST_CREDENTIALS
from shared.kernel.errors import LimitReached, NotFound, ToolError
from tests.support.credentials import BEARER, SIGNING, TOKEN, Safe, open_safe
from tests.support.logs import logged
from tests.support.region import Parley, build_parley

HOST = "api.example.com"
MINE = {"user": "ada", "provider": "http_bearer"}


@pytest.fixture
def parley() -> Iterator[Parley]:
    with mock_aws():
        yield build_parley()


@pytest.fixture
def safe(parley: Parley) -> Safe:
    return open_safe(parley.database, parley.clock)


def refused(safe: Safe, user: str = "ada", provider: str = "http_bearer", host: str = HOST) -> str:
    """The code of the error."""
    with pytest.raises(ToolError) as error:
        safe.vault.secret(user, provider, host)
    return error.value.code


def test_a_secret_is_opened_for_its_host(safe: Safe) -> None:
    """And is the header that its provider wants."""
    safe.connect(BEARER)
    assert safe.vault.secret("ada", "http_bearer", HOST).header == ("Authorization", f"Bearer {TOKEN}")
    assert refused(safe, host="evil.example.com") == "credential_not_for_this_host"
    assert refused(safe, host=f"{HOST}:8443") == "credential_not_for_this_host"


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({"provider": "http_api_key", "key": "key-1234"}, ("X-API-Key", "key-1234")),
        ({"provider": "http_api_key", "key": "key-1234", "header_name": "X-Auth"}, ("X-Auth", "key-1234")),
        ({"provider": "http_basic", "username": "ada", "password": "p w-1"}, ("Authorization", "Basic YWRhOnAgdy0x")),
    ],
)
def test_each_kind_has_its_header(safe: Safe, given: dict[str, Any], header: tuple[str, str]) -> None:
    safe.connect({**given, "hosts": [HOST]})
    assert safe.vault.secret("ada", given["provider"], HOST).header == header


def test_what_belongs_to_others_does_not_exist(safe: Safe) -> None:
    """Neither to use, nor to list, rename or delete."""
    hers = safe.connect(BEARER)
    assert refused(safe, user="bob") == "credentials_missing"
    assert safe.vault.all_of("bob") == []
    assert safe.vault.missing("bob", ["http_bearer"]) == ["http_bearer"]
    with pytest.raises(NotFound):
        safe.vault.rename("bob", hers.id, "mine")
    with pytest.raises(NotFound):
        safe.vault.forget("bob", hers.id)
    assert [one.id for one in safe.vault.all_of("ada")] == [hers.id]


@pytest.mark.parametrize("other", [{**MINE, "user": "bob"}, {**MINE, "provider": "http_api_key"}, {"user": "ada"}])
def test_a_seal_opens_for_its_own_context_alone(safe: Safe, other: dict[str, str]) -> None:
    """Another user or provider fails at KMS; with the right key from KMS the cipher still refuses."""
    sealed = seal(safe.keys, MINE, {"token": TOKEN})
    assert unseal(safe.keys, MINE, sealed) == {"token": TOKEN}
    with pytest.raises(SealBroken):
        unseal(safe.keys, other, sealed)

    class Lax:
        def opened(self, encrypted: bytes, _context: object) -> bytes:
            return safe.keys.opened(encrypted, MINE)

    with pytest.raises(SealBroken):
        unseal(Lax(), other, sealed)  # type: ignore[arg-type]


def test_a_changed_secret_is_not_opened(safe: Safe) -> None:
    """Each part of what is stored is guarded."""
    sealed = seal(safe.keys, MINE, {"token": TOKEN})
    for name, part in sealed.to_item().items():
        broken = Sealed.from_item({**sealed.to_item(), name: bytes([part[0] ^ 1]) + part[1:]})
        with pytest.raises(SealBroken):
            unseal(safe.keys, MINE, broken)


def test_a_row_moved_to_somebody_else_is_unreadable(safe: Safe) -> None:
    """Whoever can write to the table gets nobody's secret by it."""
    hers = safe.connect(BEARER)
    safe.store.put(replace(hers, user_id="bob"))
    with logged() as lines:
        assert refused(safe, user="bob") == "credential_unreadable"
    assert lines.one("credential.unreadable")["user_id"] == "bob"


def test_nothing_shows_a_secret(parley: Parley, safe: Safe) -> None:
    """Not the record, not what its user is shown, not a log line, not the text of an object."""
    with logged() as lines:
        made = safe.connect(BEARER)
        secret = safe.vault.secret("ada", "http_bearer", HOST)
        safe.vault.forget("ada", made.id)
    safe.connect(BEARER)
    stored = [str(item) for item in parley.database.query("#pk = :pk", {"pk": "VAULT#ada"})]
    shown = [json.dumps(made.public()), repr(made), repr(secret), str(secret), *lines.lines, *stored]
    assert lines.events == ["credential.connected", "credential.removed"]
    assert not any(TOKEN in text or TOKEN[:8] in text for text in shown)


@pytest.mark.parametrize("user_part", ["", "abc"])
def test_a_basic_secret_is_hidden_in_each_of_its_forms(user_part: str) -> None:
    """Some services take the key as the name, without a password."""
    secret = Secret("p", "basic", {"username": "key-7654", "password": user_part})
    header = secret.header[1]
    pair = f"key-7654:{user_part}"
    found = secret.hidden_in({"h": [header], pair: pair, "n": 7})
    assert found == {"h": [f"Basic {HIDDEN}"], HIDDEN: HIDDEN, "n": 7}
    assert secret.hidden_in("key-7654") == ("key-7654" if user_part else HIDDEN)


@pytest.mark.parametrize("token", ["sk-live/abc+def==", "a&b<c>d\"e'fghij", "0a1b2c3d4e5f6a7b"])
def test_a_secret_is_hidden_as_servers_write_it(token: str) -> None:
    """In pages, in JSON with escaped slashes (as PHP does), percent and hex in either case, as its whole header."""
    secret = Secret("http_bearer", "bearer", {"token": token})
    small = "".join(one if one.isalnum() or one in "-_.~" else f"%{ord(one):02x}" for one in token)
    written = [
        html.escape(token),
        json.dumps(token)[1:-1].replace("/", "\\/"),
        small,
        token.encode().hex().upper(),
        base64.b64encode(f"Bearer {token}".encode()).decode(),
    ]
    assert [secret.hidden_in(one) for one in written] == [HIDDEN] * len(written)


def test_the_newest_that_fits_is_used(parley: Parley, safe: Safe) -> None:
    """A user may have several of one provider, each for its hosts."""
    safe.connect({**BEARER, "token": "old-token-1"})
    parley.clock.advance(1)
    safe.connect({**BEARER, "token": "new-token-1"})
    parley.clock.advance(1)
    safe.connect({**BEARER, "token": "other-token", "hosts": ["other.example.com", "Third.example.com:8443"]})
    tokens = {
        host: safe.vault.secret("ada", "http_bearer", host).values["token"] for host in (HOST, "third.example.com:8443")
    }
    assert tokens == {HOST: "new-token-1", "third.example.com:8443": "other-token"}


def test_a_user_has_fifty_at_most(safe: Safe) -> None:
    """A deleted one makes room."""
    made = [safe.connect(BEARER) for _ in range(MOST_CREDENTIALS)]
    with pytest.raises(LimitReached):
        safe.connect(BEARER)
    assert len(safe.vault.all_of("ada")) == MOST_CREDENTIALS
    safe.connect(BEARER, user="bob")
    safe.vault.forget("ada", made[0].id)
    safe.connect(SIGNING)
    assert safe.vault.missing("ada", ["webhook_signing", "http_basic"]) == ["http_basic"]


def test_its_user_sees_when_it_was_used(parley: Parley, safe: Safe) -> None:
    """By day."""
    safe.connect(BEARER)
    assert safe.vault.all_of("ada")[0].public()["last_used_on"] is None
    safe.vault.secret("ada", "http_bearer", HOST)
    assert safe.vault.all_of("ada")[0].public()["last_used_on"] == "2025-06-15"


def test_a_failing_kms_is_said_so(safe: Safe) -> None:
    """It is not the same as a missing account."""
    safe.connect(BEARER)

    class Down:
        def decrypt(self, **_request: Any) -> Any:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": "KMSInternalException"}}, "Decrypt")

    safe.keys.__dict__["_client"] = Down()
    assert refused(safe) == "credentials_unavailable"


@pytest.mark.parametrize(
    "change",
    [
        {"hosts": []},
        {"hosts": ["https://api.example.com"]},
        {"hosts": ["api.example.com/path"]},
        {"hosts": ["*.example.com"]},
        {"hosts": ["localhost"]},
        {"hosts": ["10.0.0.1"]},
        {"hosts": ["a.example.com"] * 11},
        {"token": "short"},
        {"token": "two\r\nlines-of-text"},
        {"token": "with space in it"},
        {"title": "a\nb"},
        {"provider": "no_such"},
        {"more": 1},
        {"provider": "http_api_key", "key": "key-1234", "header_name": "Content-Length"},
        {"provider": "http_api_key", "key": "key-1234", "header_name": "Host"},
        {"provider": "http_basic", "username": "a:b", "password": "long-enough"},
        {"provider": "http_basic", "username": "a", "password": "b"},
        {"provider": "webhook_signing", "key": "too-short"},
    ],
)
def test_what_can_not_be_kept(change: dict[str, Any]) -> None:
    """A secret has hosts, one line, and some length; the error doesn't repeat it."""
    given = {**BEARER, **change}
    if "provider" in change:
        given.pop("token")
    with pytest.raises(ValidationError) as wrong:
        NewCredential.model_validate(given)
    assert TOKEN not in str(wrong.value)
    assert "key-1234" not in str(wrong.value)
