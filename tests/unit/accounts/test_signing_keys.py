"""Tokens of a sign-in service that publishes its keys, over a real connection."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.accounts.identity import GUEST_ISSUER, Identity
from shared.accounts.key_server import FETCH_SECONDS, MAX_KEY_SET_BYTES
from shared.accounts.signing_keys import FRESH_SECONDS, RETRY_SECONDS
from shared.kernel.errors import Unauthenticated
from shared.kernel.settings import IdentitySettings
from tests.support.key_server import KeyServer, SigningKey, ec_key, rsa_key, running_key_server
from tests.support.time import FakeClock

SECRET = "a-secret-of-at-least-thirty-two-bytes!"
RSA, OTHER_RSA, EC = rsa_key(), rsa_key("rsa-2"), ec_key()


class SignIn:
    """A deployment that trusts the key server, and tokens for it."""

    def __init__(self, server: KeyServer, **settings: Any) -> None:
        self.server = server
        self.clock = FakeClock()
        wanted = IdentitySettings(jwt_jwks_url=server.url, jwt_secret_parameter="/jwt", **settings)
        self.identity = Identity(wanted, lambda: SECRET, self.clock)

    def claims(self, **more: Any) -> dict[str, Any]:
        return {"sub": "ada", "exp": self.clock.now() + 86_400, **more}

    def user(self, token: str) -> str:
        return self.identity.of(f"Bearer {token}").id

    def signed_by(self, key: SigningKey, **more: Any) -> str:
        return self.user(key.sign(self.claims(**more)))

    def refuses(self, token: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            self.user(token)
        return caught.value.code


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with running_key_server() as running:
        running.publish(RSA.published(), EC.published())
        yield running


@pytest.fixture
def sign_in(server: KeyServer) -> SignIn:
    return SignIn(server)


def test_tokens_of_published_keys_and_of_the_secret_are_taken_side_by_side(sign_in: SignIn) -> None:
    """RS256 and ES256 by key id, HS256 by the secret; the keys are fetched once, where they were configured."""
    assert sign_in.signed_by(RSA) == sign_in.signed_by(EC) == "ada"
    assert sign_in.user(jwt.encode(sign_in.claims(), SECRET)) == "ada"
    assert sign_in.server.requests == ["/keys?of=us"]


def test_a_token_of_the_secret_needs_no_key_set(sign_in: SignIn) -> None:
    """Nothing is fetched for it."""
    sign_in.user(jwt.encode(sign_in.claims(), SECRET, headers={"kid": "rsa-1"}))
    assert sign_in.server.requests == []


def test_a_public_key_is_no_secret(sign_in: SignIn) -> None:
    """HS256 signed with the published key, in every form that it can be had in, is refused."""
    public = RSA.private.public_key()
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        known = public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        signer = jwt.PyJWS()
        signer._algorithms["HS256"] = _Unguarded(jwt.algorithms.HMACAlgorithm.SHA256)
        payload = jwt.utils.force_bytes(str(sign_in.claims()).replace("'", '"'))
        forged = signer.encode(payload, known, "HS256", headers={"kid": "rsa-1"})
        assert sign_in.refuses(forged) == "token_invalid"


class _Unguarded(jwt.algorithms.HMACAlgorithm):
    """Signs with what no honest program would sign with."""

    def prepare_key(self, key: Any) -> bytes:
        return bytes(key)


def test_a_key_checks_only_the_algorithm_that_it_is_made_for(sign_in: SignIn) -> None:
    """Another family, another strength, `none`, and a symmetric key in the set are all refused."""
    claims = sign_in.claims()
    sign_in.server.publish(
        RSA.published(),
        EC.published(),
        {"kty": "oct", "kid": "oct-1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"},
        OTHER_RSA.published(alg="RS512"),
    )
    symmetric = jwt.encode(claims, b"secret-secret-secret-secret-secret", headers={"kid": "oct-1"})
    assert sign_in.refuses(symmetric) == "token_invalid"
    assert sign_in.refuses(RSA.sign(claims, kid="ec-1")) == "token_key_unknown"
    assert sign_in.refuses(EC.sign(claims, kid="rsa-1")) == "token_key_unknown"
    assert sign_in.refuses(OTHER_RSA.sign(claims)) == "token_key_unknown"
    assert sign_in.refuses(jwt.encode(claims, RSA.private, "RS512", headers={"kid": "rsa-1"})) == "token_invalid"
    assert sign_in.refuses(jwt.encode(claims, RSA.private, "PS256", headers={"kid": "rsa-1"})) == "token_invalid"
    assert sign_in.refuses(jwt.encode(claims, "", "none", headers={"kid": "rsa-1"})) == "token_invalid"


def test_keys_that_are_weak_or_not_for_signatures_are_not_used(sign_in: SignIn) -> None:
    """Short RSA, another curve, encryption keys; the good one beside them is."""
    short, curve = rsa_key("short", 1024), ec_key("p384", ec.SECP384R1())
    sign_in.server.publish(
        short.published(),
        curve.published(),
        {**OTHER_RSA.published(), "use": "enc"},
        {**ec_key("wrap").published(), "key_ops": ["wrapKey"]},
        RSA.published(),
    )
    assert sign_in.signed_by(RSA) == "ada"
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        weak = short.sign(sign_in.claims())
    assert sign_in.refuses(weak) == "token_key_unknown"
    assert sign_in.refuses(OTHER_RSA.sign(sign_in.claims())) == "token_key_unknown"


def test_what_a_key_has_not_signed_is_refused(sign_in: SignIn) -> None:
    """A stranger's signature under a known id, a changed payload, no id, an id that is no text."""
    honest = RSA.sign(sign_in.claims())
    stranger = OTHER_RSA.sign(sign_in.claims(), kid="rsa-1")
    head, _, signature = honest.split(".")
    changed = ".".join([head, jwt.utils.base64url_encode(b'{"sub":"eve","exp":9999999999}').decode(), signature])
    assert sign_in.refuses(stranger) == sign_in.refuses(changed) == "token_invalid"
    nameless = jwt.encode(sign_in.claims(), RSA.private, "RS256")
    assert sign_in.refuses(nameless) == "token_key_unknown"
    assert sign_in.refuses(RSA.sign(sign_in.claims(), kid="x" * 1_000)) == "token_key_unknown"


def test_times_issuer_and_audience_hold_for_published_keys_too(server: KeyServer) -> None:
    """Expired, never expiring, not yet valid, for somebody else: 401 each."""
    sign_in = SignIn(server, jwt_issuer="https://id.example", jwt_audience="parley")
    ours = {"iss": "https://id.example", "aud": ["other", "parley"]}
    now = sign_in.clock.now()
    assert sign_in.signed_by(RSA, **ours) == "ada"
    assert sign_in.refuses(RSA.sign(sign_in.claims(**ours, exp=now))) == "token_expired"
    for wrong in ({"nbf": now + 1}, {"exp": None}, {"iss": "https://evil.example"}, {"aud": "other"}, {"aud": None}):
        assert sign_in.refuses(EC.sign(sign_in.claims(**{**ours, **wrong}))) == "token_invalid", wrong


def test_an_outside_issuer_can_not_name_a_guest(sign_in: SignIn) -> None:
    """Not even with our mark in its token: we sign with the secret alone."""
    for more in ({}, {"guest": True}, {"guest": True, "iss": GUEST_ISSUER}):
        assert sign_in.refuses(RSA.sign(sign_in.claims(sub="guest:01JZ", **more))) == "token_invalid"


def test_new_keys_are_found_and_old_ones_forgotten(sign_in: SignIn) -> None:
    """A token of a new key brings the new set; a key that is gone from it is refused from then on."""
    sign_in.signed_by(RSA)
    sign_in.server.publish(OTHER_RSA.published())
    sign_in.clock.advance(RETRY_SECONDS)
    assert sign_in.signed_by(OTHER_RSA) == "ada"
    assert sign_in.refuses(RSA.sign(sign_in.claims())) == "token_key_unknown"
    assert len(sign_in.server.requests) == 2


def test_a_revoked_key_is_refused_after_ten_minutes(sign_in: SignIn) -> None:
    """So long may the cache be behind."""
    sign_in.signed_by(RSA)
    sign_in.server.publish(EC.published())
    sign_in.clock.advance(FRESH_SECONDS - 1)
    assert sign_in.signed_by(RSA) == "ada"
    sign_in.clock.advance(1)
    assert sign_in.refuses(RSA.sign(sign_in.claims())) == "token_key_unknown"


@pytest.mark.parametrize("status", [200, 500])
def test_garbage_costs_one_fetch_a_minute(sign_in: SignIn, status: int) -> None:
    """However much comes, under however many ids, whether or not the key set can be had."""
    sign_in.server.status = status
    claims = sign_in.claims()
    for minute in range(1, 4):
        for number in range(20):
            sign_in.refuses(OTHER_RSA.sign(claims, kid=f"k{number}"))
        assert len(sign_in.server.requests) == minute
        sign_in.clock.advance(RETRY_SECONDS)


def test_known_keys_work_while_their_server_is_down(sign_in: SignIn) -> None:
    """For as long as it takes; the set is asked for once a minute."""
    sign_in.signed_by(RSA)
    sign_in.server.status = 503
    for _ in range(3):
        sign_in.clock.advance(FRESH_SECONDS)
        assert sign_in.signed_by(RSA) == sign_in.signed_by(EC) == "ada"
    assert len(sign_in.server.requests) == 4


def _drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(40):
        request.wfile.write(b" ")
        time.sleep(0.1)


def _redirect(request: BaseHTTPRequestHandler) -> None:
    request.send_response(302)
    request.send_header("location", request.path)
    request.send_header("content-length", "0")
    request.end_headers()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b'{"keys": []}', b'{"keys": {}}', b'{"keys": [7, {"kid": "rsa-1"}]}', b"[" * 100_000,
     b'{"keys": [{"kid": "rsa-1", "kty": "RSA", "n": "?", "e": 1}]}', b"\xff\xfe", b" " * (MAX_KEY_SET_BYTES + 1)],
)  # fmt: skip
def test_an_answer_that_is_no_key_set_locks_nobody_in_or_out(sign_in: SignIn, body: bytes) -> None:
    """Before there are keys, tokens are refused with a code of its own; what is known stays good."""
    good, sign_in.server.body = sign_in.server.body, body
    assert sign_in.refuses(RSA.sign(sign_in.claims())) == "keys_unavailable"
    sign_in.server.body = good
    sign_in.clock.advance(RETRY_SECONDS)
    assert sign_in.signed_by(RSA) == "ada"
    sign_in.server.body = body
    sign_in.clock.advance(FRESH_SECONDS)
    assert sign_in.signed_by(RSA) == "ada"


def test_a_key_set_of_the_largest_size_is_read(sign_in: SignIn) -> None:
    """150 KB, to the byte."""
    sign_in.server.body = sign_in.server.body.ljust(MAX_KEY_SET_BYTES)
    assert sign_in.signed_by(RSA) == "ada"


def test_redirects_are_not_followed(sign_in: SignIn) -> None:
    """Who may sign in is decided by the address that was configured."""
    sign_in.server.answer = _redirect
    assert sign_in.refuses(RSA.sign(sign_in.claims())) == "keys_unavailable"
    assert len(sign_in.server.requests) == 1


def test_a_slow_server_costs_one_and_a_half_seconds_in_all(sign_in: SignIn) -> None:
    """Also if it sends a byte now and then; measured on the machine's own clock."""
    sign_in.server.answer = _drip
    began = time.monotonic()
    assert sign_in.refuses(RSA.sign(sign_in.claims())) == "keys_unavailable"
    assert time.monotonic() - began < FETCH_SECONDS + 1


def test_many_at_once_wait_for_one_fetch(sign_in: SignIn) -> None:
    """A cold start under load asks for the keys once."""
    token = RSA.sign(sign_in.claims())
    users: list[str] = []
    threads = [threading.Thread(target=lambda: users.append(sign_in.user(token))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users == ["ada"] * 8
    assert len(sign_in.server.requests) == 1
