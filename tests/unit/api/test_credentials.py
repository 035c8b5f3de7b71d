"""Credentials over HTTP: secrets go in and never come out; accounts of OAuth providers are connected by signing in."""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from fastapi.testclient import TestClient

from shared.accounts.credentials.signing_in import SIGN_IN_SECONDS, SigningIn
from shared.accounts.credentials.tokens import TokenEndpoints
from shared.accounts.identity import Identity
from shared.api.application import build_application
from shared.kernel.ids import RandomIds
from shared.kernel.settings import IdentitySettings
from tests.support.aws import aws_client
from tests.support.credentials import BEARER, TOKEN, Safe, open_safe, tokens
from tests.support.description import held_to_description
from tests.support.logs import logged
from tests.support.region import Parley

SECRET = "a-secret-of-at-least-thirty-two-bytes!"
HTTP_URL = "https://parley.example"


@pytest.fixture
def safe(parley: Parley) -> Safe:
    return open_safe(parley.database, parley.clock)


@pytest.fixture
def client(parley: Parley, safe: Safe, tmp_path: Path) -> TestClient:
    """Nobody is signed in; it keeps cookies, as a browser does."""
    endpoints = TokenEndpoints(safe.server, lambda _parameter: "the client's secret", parley.clock)
    signing_in = SigningIn(safe.vault, endpoints, parley.database, parley.clock, RandomIds(parley.clock), HTTP_URL)
    return built(parley, tmp_path, signing_in)


def built(parley: Parley, folder: Path, signing_in: SigningIn | None) -> TestClient:
    settings = IdentitySettings(jwt_secret_parameter="/jwt", guests_enabled=True)
    identity = Identity(settings, lambda: SECRET, parley.clock)
    app = build_application(parley.services, identity, "wss://socket.example/local", folder, lambda: None, signing_in)
    return held_to_description(
        TestClient(app, base_url=HTTP_URL, raise_server_exceptions=False, follow_redirects=False)
    )


def of(parley: Parley, user: str = "ada") -> dict[str, str]:
    token = jwt.encode({"sub": user, "exp": parley.clock.now() + 600}, SECRET)
    return {"authorization": f"Bearer {token}"}


def begin(client: TestClient, parley: Parley, user: str = "ada") -> dict[str, list[str]]:
    """What a browser is sent to the provider with."""
    answer = client.get("/api/credentials/oauth/rivers/start", headers=of(parley, user))
    assert answer.status_code == 200
    assert {"HttpOnly", "SameSite=lax", "Secure"} <= set(answer.headers["set-cookie"].split("; "))
    return parse_qs(urlsplit(answer.json()["url"]).query)


def come_back(client: TestClient, **query: str) -> str:
    """Where the browser is led."""
    answer = client.get("/api/credentials/oauth/callback", params=query)
    assert answer.status_code == 303
    return answer.headers["location"].removeprefix(HTTP_URL)


def test_a_secret_goes_in_and_never_comes_out(client: TestClient, parley: Parley) -> None:
    """Not in the answer, the list, a log line, nor in an error that it causes."""
    with logged() as lines:
        made = client.post("/api/credentials", json={**BEARER, "title": "Rivers"}, headers=of(parley))
        listed = client.get("/api/credentials", headers=of(parley))
        wrong = client.post("/api/credentials", json={**BEARER, "hosts": []}, headers=of(parley))
    assert (made.status_code, wrong.status_code, wrong.json()["code"]) == (201, 422, "validation_failed")
    assert [one["title"] for one in listed.json()["credentials"]] == ["Rivers"]
    assert {"http_bearer", "rivers"} <= {one["name"] for one in listed.json()["providers"]}
    assert not any(TOKEN[:8] in text for text in (made.text, listed.text, wrong.text, *lines.lines))


def test_what_is_wrong_is_named_as_it_was_sent(client: TestClient, parley: Parley) -> None:
    """By the field alone: which of the forms it was is said in `provider`; what is wrong with the whole has no name."""
    basic = {"provider": "http_basic", "hosts": ["api.example.com"], "title": "Tides", "username": "a", "password": "b"}
    without_password = {name: value for name, value in basic.items() if name != "password"}
    sent = [{**BEARER, "hosts": []}, {**BEARER, "provider": "none"}, without_password, basic]
    answers = [client.post("/api/credentials", json=body, headers=of(parley)).json() for body in sent]
    fields = [[problem["field"] for problem in answer["details"]["problems"]] for answer in answers]
    assert fields == [["hosts"], [""], ["password"], [""]]


@pytest.mark.parametrize(
    ("wrong", "field", "example"),
    [
        ({"hosts": ["https://api.example.com/x"]}, "hosts.0", "api.example.com:8443"),
        ({"hosts": ["api.example.com", "127.0.0.1"]}, "hosts.1", "api.example.com:8443"),
        ({"hosts": []}, "hosts", "['api.example.com']"),
        ({"hosts": [f"h{number}.example.com" for number in range(11)]}, "hosts", "1 to 10"),
        ({"title": "two\nlines"}, "title", "Rivers"),
        ({"token": "shorter"}, "token", "8 to 4000"),
        ({"provider": "http_api_key", "key": "with a space"}, "key", "8 to 4000"),
        ({"provider": "http_api_key", "key": TOKEN, "header_name": "X Key"}, "header_name", "X-API-Key"),
        ({"provider": "http_api_key", "key": TOKEN, "header_name": "Host"}, "header_name", "X-API-Key"),
        ({"provider": "http_basic", "username": "a:b", "password": "12345678"}, "username", "'ada'"),
        ({"provider": "http_basic", "username": "ada", "password": "über-secret"}, "password", "words"),
        ({"provider": "webhook_signing", "key": "too-short"}, "key", "24 to 200"),
    ],
)
def test_what_is_wrong_is_said_in_words(
    client: TestClient, parley: Parley, wrong: dict[str, Any], field: str, example: str
) -> None:
    """Once, with an example, without expressions and without the secret."""
    body = {**BEARER, **wrong}
    if "provider" in wrong:
        del body["token"]
    answer = client.post("/api/credentials", json=body, headers=of(parley))
    (problem,) = answer.json()["details"]["problems"]
    assert (answer.status_code, problem["field"]) == (422, field)
    assert example in problem["problem"]
    assert not any(word in answer.text for word in ("pattern", "^", "Tuple", "String", TOKEN))


def test_an_account_is_renamed_and_forgotten(client: TestClient, parley: Parley) -> None:
    """By its user."""
    path = f"/api/credentials/{client.post('/api/credentials', json=BEARER, headers=of(parley)).json()['id']}"
    assert client.patch(path, json={"title": "New"}, headers=of(parley)).json()["title"] == "New"
    assert client.delete(path, headers=of(parley)).status_code == 204
    assert client.delete(path, headers=of(parley)).json()["code"] == "CREDENTIAL_NOT_FOUND"


def test_what_belongs_to_others_does_not_exist(client: TestClient, parley: Parley) -> None:
    path = f"/api/credentials/{client.post('/api/credentials', json=BEARER, headers=of(parley)).json()['id']}"
    answers = [
        client.patch(path, json={"title": "Mine"}, headers=of(parley, "bob")),
        client.delete(path, headers=of(parley, "bob")),
    ]
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(404, "CREDENTIAL_NOT_FOUND")}
    assert client.get("/api/credentials", headers=of(parley, "bob")).json()["credentials"] == []


def test_guests_have_none(client: TestClient) -> None:
    guest = client.post("/api/chat/guest-token").json()["token"]
    answer = client.post("/api/credentials", json=BEARER, headers={"authorization": f"Bearer {guest}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "login_required")


def test_a_deployment_without_a_key_says_so(parley: Parley, tmp_path: Path) -> None:
    client = built(parley, tmp_path, None)
    for answer in (
        client.get("/api/credentials", headers=of(parley)),
        client.get("/api/credentials/oauth/callback?state=x&code=y"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "CREDENTIALS_NOT_CONFIGURED")


def test_an_account_is_connected_by_signing_in(client: TestClient, parley: Parley, safe: Safe) -> None:
    """With a state, and a verifier that only the token endpoint hears."""
    asked = begin(client, parley)
    assert asked["redirect_uri"] == [f"{HTTP_URL}/api/credentials/oauth/callback"]
    assert (asked["tenant"], asked["scope"], asked["client_id"]) == (["all"], ["read offline"], ["parley"])
    safe.server.answers.append(tokens(access_token="the-access-token", refresh_token="r1", expires_in=3600))
    assert come_back(client, state=asked["state"][0], code="code-1") == "/#connected=rivers"

    (form,) = safe.server.asked
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
    assert ([challenge], form["code"], form["client_secret"]) == (
        asked["code_challenge"],
        "code-1",
        "the client's secret",
    )
    secret = safe.vault.secret("ada", "rivers", "rivers.example.com")
    assert secret.header == ("Authorization", "Bearer the-access-token")
    shown: dict[str, Any] = client.get("/api/credentials", headers=of(parley)).json()["credentials"][0]
    assert (shown["kind"], shown["status"], shown["scopes"]) == ("oauth2", "ready", ["read", "offline"])


def test_a_state_is_used_once_in_time_and_by_its_browser(
    client: TestClient, parley: Parley, safe: Safe, tmp_path: Path
) -> None:
    """Otherwise nothing is asked of the provider."""
    first = begin(client, parley)["state"][0]
    cookies = dict(client.cookies)
    client.cookies.clear()
    assert come_back(client, state=first, code="c") == "/#connect_error=sign_in_expired"
    client.cookies.update(cookies)
    assert come_back(client, state="made-up", code="c") == "/#connect_error=sign_in_expired"
    safe.server.answers.append(tokens(access_token="the-access-token"))
    assert come_back(client, state=first, code="c") == "/#connected=rivers"
    assert come_back(client, state=first, code="c") == "/#connect_error=sign_in_expired"

    late = begin(client, parley)["state"][0]
    parley.clock.advance(SIGN_IN_SECONDS)
    assert come_back(client, state=late, code="c") == "/#connect_error=sign_in_expired"
    assert len(safe.server.asked) == 1
    stored = str([row for row in _rows() if row["pk"]["S"].startswith("OAUTH#")])
    assert late not in stored


def test_what_a_provider_refuses_is_told(client: TestClient, parley: Parley, safe: Safe) -> None:
    """The user said no there, or its answer is none."""
    assert come_back(client, state=begin(client, parley)["state"][0], error="access_denied").endswith("sign_in_refused")
    for answer, code in (
        (tokens(400, error="invalid_grant"), "sign_in_refused"),
        (tokens(200, error="bad_verification_code"), "sign_in_refused"),
        (tokens(200, access_token=7), "sign_in_refused"),
        (tokens(503), "provider_unavailable"),
    ):
        safe.server.answers.append(answer)
        assert come_back(client, state=begin(client, parley)["state"][0], code="c") == f"/#connect_error={code}"
    assert safe.vault.all_of("ada") == []


def test_only_providers_to_sign_in_at_are_begun(client: TestClient, parley: Parley) -> None:
    for name in ("http_bearer", "no_such"):
        answer = client.get(f"/api/credentials/oauth/{name}/start", headers=of(parley))
        assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_PROVIDER")


def _rows() -> list[dict[str, Any]]:

    items: list[dict[str, Any]] = aws_client("dynamodb").scan(TableName="state")["Items"]
    return items
