"""Forms for token endpoints: by the rules of fetching, with a server of our own at the other end."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography import x509

from shared.accounts.credentials.providers import Provider
from shared.accounts.credentials.tokens import TokenEndpoints
from shared.kernel.errors import Retryable
from shared.tools.web.form_post import FormPost
from shared.tools.web.network import Network
from tests.support.authority import Authority
from tests.support.credentials import RIVERS
from tests.support.time import FakeClock
from tests.unit.tools.loopback import Web, page, small_web

RIVERS_OF = Provider("rivers", "Rivers", "oauth2", RIVERS.hosts, RIVERS.scopes, RIVERS)
URL = RIVERS.token_url


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Web, Network]]:
    """An HTTPS server, and how it is reached."""
    authority = Authority()
    with small_web(authority.serving(tmp_path, x509.DNSName("*.example.com"))) as made:
        yield made, made.network(authority.trusted())


@pytest.mark.parametrize("shown", ["post", "basic"])
def test_an_endpoint_is_told_the_code_and_who_asks(web: tuple[Web, Network], shown: str) -> None:
    """The client's secret is in the form or in a header, as the provider wants it, and never in the address."""
    made, network = web
    provider = Provider(
        "rivers", "Rivers", "oauth2", RIVERS.hosts, (), RIVERS.model_copy(update={"client_authentication": shown})
    )
    body = b'{"access_token": "a1", "token_type": "Bearer", "expires_in": 3600, "scope": "read offline"}'
    made.server.answers(page(body, "Content-Type: application/json"))
    endpoints = TokenEndpoints(FormPost(network), lambda _name: "client secret", FakeClock(1_000.0))
    tokens = endpoints.exchange(provider, "code", "verifier", "https://parley.example/back")

    assert (tokens.access_token, tokens.expires_at, tokens.scopes) == ("a1", 4_600_000, ("read", "offline"))
    head, _, form = made.server.requests[0].decode().partition("\r\n\r\n")
    assert head.startswith("POST /token HTTP/1.1\r\nHost: login.example.com\r\n")
    assert "Content-Type: application/x-www-form-urlencoded" in head
    assert parse_qs(form)["code_verifier"] == ["verifier"]
    assert ("client_secret" in parse_qs(form)) == (shown == "post")
    assert ("Authorization: Basic cGFybGV5OmNsaWVudCUyMHNlY3JldA==" in head) == (shown == "basic")


def test_a_redirect_is_not_followed(web: tuple[Web, Network]) -> None:
    """The form was meant for one address."""
    made, network = web
    made.server.answers(page(b"", "Location: https://other.example.com/", status="307 Temporary Redirect"))
    assert FormPost(network)(URL, {"a": "b"}, {}).status == 307
    assert len(made.connected) == 1


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1"])
def test_only_the_public_internet_is_reached(web: tuple[Web, Network], address: str) -> None:
    """Also by what a deployer has configured."""
    made, network = web
    made.names["login.example.com"] = [[address]]
    with pytest.raises(Retryable):
        FormPost(network)(URL, {}, {})
    assert made.connected == []


def test_a_server_that_is_not_there_may_be_asked_again(web: tuple[Web, Network]) -> None:
    made, network = web
    made.unreachable.add("93.184.216.34")
    with pytest.raises(Retryable):
        TokenEndpoints(FormPost(network), lambda _name: "", FakeClock()).refresh(RIVERS_OF, "refresh")
