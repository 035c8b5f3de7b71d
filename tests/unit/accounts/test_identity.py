"""Who a bearer token stands for."""

import time
from typing import Any

import jwt
import pytest

from shared.accounts.identity import Identity
from shared.kernel.errors import Unauthenticated
from shared.kernel.settings import IdentitySettings
from tests.support.time import FakeClock

SECRET = "a-secret-of-at-least-thirty-two-bytes!"


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"sub": "ada", "exp": time.time() + 60, **claims}, secret, algorithm=algorithm)


def identity(**settings: Any) -> Identity:
    return Identity(IdentitySettings(jwt_secret_parameter="/jwt", **settings), lambda: SECRET, FakeClock())


def refused(authorization: str | None, **settings: Any) -> str:
    with pytest.raises(Unauthenticated) as caught:
        identity(**settings).of(authorization)
    return caught.value.code


def test_the_subject_of_a_valid_token_is_the_user() -> None:
    """`sub` is the user, `name` is how they are called."""
    user = identity().of(f"Bearer {token(name='Ada')}")
    assert (user.id, user.name) == ("ada", "Ada")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YWRhOng="])
def test_without_a_bearer_token_nobody_is_let_in(header: str | None) -> None:
    """A missing token has a code of its own."""
    assert refused(header) == "token_missing"


def test_an_expired_token_says_so() -> None:
    """A client can tell that it must sign in again."""
    assert refused(f"Bearer {token(exp=time.time() - 1)}") == "token_expired"


@pytest.mark.parametrize(
    "forged",
    [
        token(secret="another-secret-of-thirty-two-bytes!!"),
        jwt.encode({"sub": "ada", "exp": time.time() + 60}, None, algorithm="none"),
        jwt.encode({"sub": "ada"}, SECRET, algorithm="HS256"),
        jwt.encode({"exp": time.time() + 60}, SECRET, algorithm="HS256"),
        token(algorithm="HS512", secret=SECRET * 2),
        token(nbf=time.time() + 600),
        token(sub="ada#META"),
        token(sub="a" * 129),
        "not.a.token",
        "x" * 9_000,
    ],
)
def test_a_token_that_does_not_hold_is_refused(forged: str) -> None:
    """Wrong signature, algorithm, missing claims, not yet valid, a subject that is no user, garbage."""
    assert refused(f"Bearer {forged}") == "token_invalid"


def test_issuer_and_audience_are_checked_where_they_are_configured() -> None:
    """A token for another service is not one for us."""
    settings = {"jwt_issuer": "https://id.example", "jwt_audience": "parley"}
    good = token(iss="https://id.example", aud="parley")
    assert identity(**settings).of(f"Bearer {good}").id == "ada"
    assert refused(f"Bearer {token(iss='https://other.example', aud='parley')}", **settings) == "token_invalid"
    assert refused(f"Bearer {token(iss='https://id.example', aud='other')}", **settings) == "token_invalid"
    assert refused(f"Bearer {token()}", **settings) == "token_invalid"
