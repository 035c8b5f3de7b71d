"""`web_fetch` over HTTPS: the pinned address must prove that it is the host of the URL."""

import socket
import ssl
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from shared.kernel.errors import ToolError
from shared.tools.web.network import Network
from shared.tools.web_fetch import WebFetch, WebFetchInput
from tests.support.authority import Authority
from tests.unit.tools.loopback import OTHER_PUBLIC, PUBLIC, Web, context, html, page, small_web


@pytest.fixture
def authority() -> Authority:
    """Made anew for each test."""
    return Authority()


@pytest.fixture
def asked_for() -> list[str | None]:
    """The server names (SNI) that clients asked for."""
    return []


@pytest.fixture
def secure_web(authority: Authority, asked_for: list[str | None], tmp_path: Path) -> Iterator[Web]:
    """A web of one HTTPS server, with a certificate for example.com and one address."""
    serving = authority.serving(tmp_path, x509.DNSName("example.com"), x509.IPAddress(ip_address(PUBLIC)))

    def note(_socket: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        asked_for.append(name)

    serving.sni_callback = note
    with small_web(serving) as web:
        yield web


def test_host_is_proven(secure_web: Web, authority: Authority, asked_for: list[str | None]) -> None:
    """The pinned address is connected to, and asked for and verified as the host of the URL."""
    secure_web.server.answers(html("secret menu"))
    found = secure_web.fetch("https://example.com/", ssl_context=authority.trusted())
    assert found.content == "secret menu"
    assert secure_web.connected == [(PUBLIC, 443)]
    assert asked_for == ["example.com"]
    assert b"\r\nHost: example.com\r\n" in secure_web.server.requests[0]


def test_certificate_for_an_address(secure_web: Web, authority: Authority) -> None:
    """An address in the URL is verified as an address."""
    secure_web.server.answers(html("hi"))
    assert secure_web.fetch(f"https://{PUBLIC}/", ssl_context=authority.trusted()).content == "hi"


def test_large_page(secure_web: Web, authority: Authority) -> None:
    """A page of many TLS records arrives whole."""
    secure_web.server.answers(page(b"x" * 1_500_000, "Content-Type: text/plain"))
    assert len(secure_web.fetch("https://example.com/", ssl_context=authority.trusted()).content) == 40_000


@pytest.mark.parametrize("url", ["https://other.example/", f"https://{OTHER_PUBLIC}/"])
def test_certificate_for_another_host(secure_web: Web, authority: Authority, url: str) -> None:
    """A certificate that does not name the host ends the fetch before anything is sent."""
    with pytest.raises(ToolError) as refused:
        secure_web.fetch(url, ssl_context=authority.trusted())
    assert refused.value.code == "fetch_failed"
    assert "certificate" in refused.value.message
    assert secure_web.server.requests == []


def test_unknown_authority(secure_web: Web) -> None:
    """A certificate of an unknown authority is not believed."""
    with pytest.raises(ToolError) as refused:
        secure_web.fetch("https://example.com/")
    assert refused.value.code == "fetch_failed"
    assert secure_web.server.requests == []


def test_redirect_to_another_name_is_proven_again(secure_web: Web, authority: Authority) -> None:
    """After a redirect the new host must prove itself, even at the same address."""
    secure_web.server.answers(page(b"", "Location: https://other.example/", status="302 Found"))
    with pytest.raises(ToolError) as refused:
        secure_web.fetch("https://example.com/", ssl_context=authority.trusted())
    assert "certificate of other.example" in refused.value.message


def test_plain_server_behind_https() -> None:
    """A server that does not speak TLS is a failure, not a crash."""
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            with plain.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=answer, daemon=True)
        server.start()
        network = Network(resolve=lambda *_: [PUBLIC], connect=lambda sock, _: sock.connect(plain.getsockname()))
        with pytest.raises(ToolError) as refused:
            WebFetch(network=network).run(context(), WebFetchInput(url="https://example.com/"))
        server.join(10)
    assert refused.value.code == "fetch_failed"
