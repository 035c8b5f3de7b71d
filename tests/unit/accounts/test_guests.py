"""Guests: people who chat before they have signed in."""

from typing import Any

import jwt
import pytest

from shared.accounts.identity import GUEST_ISSUER, GUEST_SECONDS, Identity
from shared.kernel.errors import Invalid, NotFound, Unauthenticated
from shared.kernel.settings import IdentitySettings
from tests.support.time import CountingIds, FakeClock

SECRET = "a-secret-of-at-least-thirty-two-bytes!"


class Deployment:
    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        wanted = {"jwt_secret_parameter": "/jwt", "guests_enabled": True, **settings}
        self.identity = Identity(IdentitySettings(**wanted), lambda: SECRET, self.clock)

    def guest(self) -> str:
        token, _ = self.identity.new_guest(CountingIds())
        return token

    def signed(self, **claims: Any) -> str:
        return jwt.encode({"exp": self.clock.now() + 60, **claims}, SECRET)

    def refuses(self, token: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            self.identity.of(f"Bearer {token}")
        return caught.value.code


def test_a_guest_is_somebody_for_thirty_days() -> None:
    """Each is somebody else; whatever issuer and audience users' tokens must have."""
    deployment = Deployment(jwt_issuer="https://id.example", jwt_audience="parley")
    ids = CountingIds()
    (token, guest), (_, another) = deployment.identity.new_guest(ids), deployment.identity.new_guest(ids)
    assert guest.id != another.id
    assert guest.id.startswith("guest:")
    deployment.clock.advance(GUEST_SECONDS - 1)
    user = deployment.identity.of(f"Bearer {token}")
    assert (user.id, user.is_guest) == (guest.id, True)
    deployment.clock.advance(1)
    assert deployment.refuses(token) == "token_expired"


def test_whoever_else_has_the_secret_names_no_guest_by_accident() -> None:
    """The id needs our issuer mark and the claim; the mark names nobody but guests."""
    deployment = Deployment()
    assert deployment.refuses(deployment.signed(sub="guest:01JZ")) == "token_invalid"
    assert deployment.refuses(deployment.signed(sub="guest:01JZ", guest=True)) == "token_invalid"
    assert deployment.refuses(deployment.signed(sub="guest:01JZ", iss=GUEST_ISSUER)) == "token_invalid"
    assert deployment.refuses(deployment.signed(sub="guest:01JZ", iss=GUEST_ISSUER, guest="yes")) == "token_invalid"
    assert deployment.refuses(deployment.signed(sub="ada", iss=GUEST_ISSUER, guest=True)) == "token_invalid"


def test_our_mark_under_a_foreign_signature_is_nothing() -> None:
    """It is part of what is signed."""
    deployment = Deployment()
    claims = {"sub": "guest:01JZ", "guest": True, "iss": GUEST_ISSUER, "exp": deployment.clock.now() + 60}
    assert deployment.refuses(jwt.encode(claims, "another-secret-of-thirty-two-bytes!!")) == "token_invalid"


def test_a_deployment_without_guests_issues_no_tokens_and_takes_none() -> None:
    """That is the default; switched off later, it keeps guests out, and their sessions can still be claimed."""
    token = Deployment().guest()
    closed = Deployment(guests_enabled=False)
    with pytest.raises(NotFound) as caught:
        closed.guest()
    assert caught.value.code == "guests_disabled"
    assert closed.refuses(token) == "guests_disabled"
    assert closed.identity.guest_of(token).startswith("guest:")
    assert IdentitySettings(jwt_secret_parameter="/jwt").guests_enabled is False


def test_only_a_guest_token_proves_a_guest() -> None:
    """A user's token, an expired one and garbage do not."""
    deployment = Deployment()
    token = deployment.guest()
    assert deployment.identity.guest_of(token) == "guest:id000001"
    deployment.clock.advance(GUEST_SECONDS)
    for wrong in (deployment.signed(sub="ada"), token, "garbage", ""):
        with pytest.raises(Invalid) as caught:
            deployment.identity.guest_of(wrong)
        assert caught.value.code == "guest_token_invalid"
