"""Access tokens that run out are replaced, by one at a time, and what comes is kept."""

from dataclasses import replace

import pytest

from shared.accounts.credentials.records import Credential
from shared.accounts.credentials.tokens import FormAnswer, Tokens
from shared.kernel.clock import to_millis
from shared.kernel.errors import ConfigError, Retryable, ToolError
from tests.support.credentials import Safe, open_safe, silent_kms, tokens
from tests.support.faults import FAULT_KINDS, FaultKind
from tests.support.logs import logged
from tests.support.region import Parley

HOST = "rivers.example.com"
HOUR = 3_600


@pytest.fixture
def safe(parley: Parley) -> Safe:
    return open_safe(parley.database, parley.clock)


def signed_in(safe: Safe, parley: Parley, refresh_token: str = "refresh-1") -> Credential:  # noqa: S107
    provider = safe.vault.providers.get("rivers")
    ends = to_millis(parley.clock.now() + HOUR)
    return safe.vault.connect_signed_in("ada", provider, Tokens("access-1", refresh_token, ends))


def access_token(safe: Safe) -> str:
    return safe.vault.secret("ada", "rivers", HOST).values["access_token"]


def refused(safe: Safe) -> str:
    with pytest.raises(ToolError) as error:
        access_token(safe)
    return error.value.code


def fresh(number: int) -> FormAnswer:
    return tokens(access_token=f"access-{number}", refresh_token=f"refresh-{number}", expires_in=HOUR)


def test_a_token_is_renewed_when_it_is_used_and_written_back(parley: Parley, safe: Safe) -> None:
    """A minute early; the next renewal uses the refresh token that the last one has brought."""
    signed_in(safe, parley)
    assert (access_token(safe), safe.server.asked) == ("access-1", [])
    for number in (2, 3):
        parley.clock.advance(HOUR - 30)
        safe.server.answers.append(fresh(number))
        assert [access_token(safe), access_token(safe)] == [f"access-{number}"] * 2
    assert [form["refresh_token"] for form in safe.server.asked] == ["refresh-1", "refresh-2"]


def test_a_provider_may_keep_the_refresh_token(parley: Parley, safe: Safe) -> None:
    """Then the old one stays."""
    signed_in(safe, parley)
    for number in (2, 3):
        parley.clock.advance(HOUR)
        safe.server.answers.append(tokens(access_token=f"access-{number}", expires_in=HOUR))
        assert access_token(safe) == f"access-{number}"
    assert [form["refresh_token"] for form in safe.server.asked] == ["refresh-1"] * 2


def test_two_at_once_refresh_once(parley: Parley, safe: Safe) -> None:
    """A refresh token may be good for one use: the second waits for what the first one brings."""
    signed_in(safe, parley)
    parley.clock.advance(HOUR)
    other: list[str] = []

    def answers_slowly() -> FormAnswer:
        try:
            other.append(access_token(safe))
        except ToolError as error:
            other.append(error.code)
        return fresh(2)

    safe.server.answers.append(answers_slowly)
    assert access_token(safe) == "access-2"
    assert (other, len(safe.server.asked)) == (["credential_busy"], 1)
    assert access_token(safe) == "access-2"


def test_the_second_gets_what_the_first_has_brought(parley: Parley, safe: Safe) -> None:
    """If that comes while it waits."""
    credential = signed_in(safe, parley)
    parley.clock.advance(HOUR)
    now = to_millis(parley.clock.now())
    assert safe.store.claim_refresh(credential, "first", now, now + 45_000)
    assert not safe.store.claim_refresh(credential, "second", now, now + 45_000)
    brought = signed_in(safe, parley)
    safe.vault.forget("ada", brought.id)
    kept = replace(credential, sealed=brought.sealed, token_expires_at=brought.token_expires_at)

    def write_back() -> None:
        safe.store.write_back(kept, "first")

    parley.clock.at(1.0, write_back)
    assert (access_token(safe), safe.server.asked) == ("access-1", [])


def test_a_dead_ones_claim_ends(parley: Parley, safe: Safe) -> None:
    """Whoever was killed while it refreshed holds nobody up for long, and writes nothing late."""
    credential = signed_in(safe, parley)
    parley.clock.advance(HOUR)
    now = to_millis(parley.clock.now())
    safe.store.claim_refresh(credential, "dead", now, now + 45_000)
    assert refused(safe) == "credential_busy"
    parley.clock.advance(46)
    safe.server.answers.append(fresh(2))
    assert access_token(safe) == "access-2"
    assert safe.store.write_back(credential, "dead").revision == 2
    assert access_token(safe) == "access-2"


def test_a_token_that_still_holds_is_used_while_another_is_fetched(parley: Parley, safe: Safe) -> None:
    """Nobody waits for nothing."""
    credential = signed_in(safe, parley)
    parley.clock.advance(HOUR - 30)
    now = to_millis(parley.clock.now())
    safe.store.claim_refresh(credential, "first", now, now + 45_000)
    assert access_token(safe) == "access-1"


@pytest.mark.parametrize("refresh_token", ["refresh-1", ""])
def test_a_grant_that_has_ended_must_be_given_again(parley: Parley, safe: Safe, refresh_token: str) -> None:
    """Said as such, and not asked about again; also where the provider has given no refresh token."""
    signed_in(safe, parley, refresh_token)
    parley.clock.advance(HOUR)
    safe.server.answers.append(tokens(400, error="invalid_grant"))
    with logged() as lines:
        assert [refused(safe), refused(safe)] == ["credential_expired"] * 2
    assert lines.events == ["credential.ended"]
    assert len(safe.server.asked) == (1 if refresh_token else 0)
    assert safe.vault.all_of("ada")[0].state == "needs_reconnect"
    assert safe.vault.missing("ada", ["rivers"]) == ["rivers"]
    signed_in(safe, parley)
    assert (access_token(safe), safe.vault.missing("ada", ["rivers"])) == ("access-1", [])


def misconfigured() -> FormAnswer:
    raise ConfigError("The client's secret is not there.")


def unreachable() -> FormAnswer:
    raise Retryable("The provider does not answer.", code="provider_unavailable")


@pytest.mark.parametrize(
    "answer", [tokens(503), tokens(400, error="invalid_client"), FormAnswer(200, "<p>"), unreachable, misconfigured]
)
def test_a_provider_that_fails_is_asked_again_later(parley: Parley, safe: Safe, answer: object) -> None:
    """The account stays connected, and nobody has to wait for the claim of who failed."""
    signed_in(safe, parley)
    parley.clock.advance(HOUR)
    safe.server.answers += [answer, fresh(2)]  # type: ignore[list-item]
    assert refused(safe) == "credential_refresh_failed"
    assert access_token(safe) == "access-2"


@pytest.mark.parametrize("operation", ["GenerateDataKey", "Decrypt"])
def test_without_kms_no_provider_is_asked(parley: Parley, safe: Safe, operation: str) -> None:
    """It would hand out a refresh token that could not be kept."""
    signed_in(safe, parley)
    parley.clock.advance(HOUR)
    with silent_kms(safe, operation):
        assert refused(safe) == "credential_refresh_failed"
    assert safe.server.asked == []
    safe.server.answers.append(fresh(2))
    assert access_token(safe) == "access-2"


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if kind.startswith("error")])
def test_a_refresh_token_is_kept_though_storage_stumbles(parley: Parley, safe: Safe, kind: FaultKind) -> None:
    signed_in(safe, parley)
    parley.clock.advance(HOUR)

    def answered() -> FormAnswer:
        parley.watch.reset(0, kind)
        return fresh(2)

    safe.server.answers += [answered, fresh(3)]
    assert access_token(safe) == "access-2"
    parley.clock.advance(HOUR)
    assert access_token(safe) == "access-3"
    assert [form["refresh_token"] for form in safe.server.asked] == ["refresh-1", "refresh-2"]
