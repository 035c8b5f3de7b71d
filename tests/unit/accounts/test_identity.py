"""Who a bearer token stands for."""

import base64
from typing import Any

import jwt
import pytest

from shared.accounts.identity import Identity
from shared.kernel.errors import ConfigError, Unauthenticated
from shared.kernel.settings import IdentitySettings
from tests.support.time import FakeClock

CLOCK = FakeClock()
SECRET = "a-secret-of-at-least-thirty-two-bytes!"


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"sub": "ada", "exp": CLOCK.now() + 60, **claims}, secret, algorithm=algorithm)


def identity(**settings: Any) -> Identity:
    return Identity(IdentitySettings(jwt_secret_parameter="/jwt", **settings), lambda: SECRET, CLOCK)


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
    assert refused(f"Bearer {token(exp=CLOCK.now())}") == "token_expired"


@pytest.mark.parametrize(
    "forged",
    [
        token(secret="another-secret-of-thirty-two-bytes!!"),
        jwt.encode({"sub": "ada", "exp": CLOCK.now() + 60}, "", algorithm="none"),
        jwt.encode({"sub": "ada"}, SECRET, algorithm="HS256"),
        jwt.encode({"exp": CLOCK.now() + 60}, SECRET, algorithm="HS256"),
        token(algorithm="HS512", secret=SECRET * 2),
        token(nbf=CLOCK.now() + 600),
        token(nbf="soon"),
        token(exp="later"),
        token(exp=True),
        token(sub=7),
        jwt.encode({"sub": "ada", "exp": CLOCK.now() + 60}, SECRET, algorithm="HS256", headers={"crit": ["x"]}),
        f"{'W' * 3_000}.e30.x",
        f"{base64.urlsafe_b64encode(b'[' * 5_000).decode()}.e30.x",
        token(sub="guest:01JZ"),
        token(sub="guest:01JZ", guest=True),
        token(sub="ada#META"),
        token(sub="a" * 129),
        "not.a.token",
        "x" * 9_000,
    ],
)
def test_a_token_that_does_not_hold_is_refused(forged: str) -> None:
    """Wrong signature, algorithm, missing or odd claims, not yet valid, a subject that is no user, garbage."""
    assert refused(f"Bearer {forged}") == "token_invalid"


def test_issuer_and_audience_are_checked_where_they_are_configured() -> None:
    """A token for another service is not one for us."""
    settings = {"jwt_issuer": "https://id.example", "jwt_audience": "parley"}
    good = token(iss="https://id.example", aud="parley")
    assert identity(**settings).of(f"Bearer {good}").id == "ada"
    assert refused(f"Bearer {token(iss='https://other.example', aud='parley')}", **settings) == "token_invalid"
    assert refused(f"Bearer {token(iss='https://id.example', aud='other')}", **settings) == "token_invalid"
    assert refused(f"Bearer {token()}", **settings) == "token_invalid"


def test_a_token_that_never_expires_by_a_trick_is_expired() -> None:
    """NaN is less than nothing and more than nothing; it is no time."""
    assert refused(f"Bearer {token(exp=float('nan'))}") == "token_expired"
    assert refused(f"Bearer {token(nbf=float('nan'))}") == "token_invalid"


def test_without_a_secret_nobody_can_sign_with_one() -> None:
    """A deployment that trusts a key set only takes no HS256 token, whatever it is signed with."""
    settings = IdentitySettings(jwt_jwks_url="https://id.example/keys")
    with pytest.raises(Unauthenticated) as caught:
        Identity(settings, lambda: "", CLOCK).of(
            f"Bearer {jwt.encode({'sub': 'ada', 'exp': CLOCK.now() + 60}, 'x' * 32)}"
        )
    assert caught.value.code == "token_invalid"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"JWT_JWKS_URL": "http://id.example/keys"},
        {"JWT_JWKS_URL": "ftp://id.example/keys"},
        {"JWT_JWKS_URL": "https:///keys"},
        {"JWT_JWKS_URL": "https://user@id.example/keys"},
        {"JWT_JWKS_URL": "http://127.0.0.1.example/keys"},
        {"JWT_JWKS_URL": "https://id.example/keys", "GUESTS_ENABLED": "true"},
    ],
)
def test_a_deployment_that_nobody_or_anybody_could_sign_in_to_refuses_to_start(environment: dict[str, str]) -> None:
    """No secret and no key set, keys over a line that anybody can write to, guests without a secret."""
    with pytest.raises(ConfigError):
        IdentitySettings.from_environment(environment)


def test_keys_may_come_from_this_machine_in_the_clear() -> None:
    """Only for tests and development: loopback."""
    for host in ("127.0.0.1:8080", "[::1]:8080", "localhost"):
        assert IdentitySettings.from_environment({"JWT_JWKS_URL": f"http://{host}/keys"}).jwt_jwks_url
