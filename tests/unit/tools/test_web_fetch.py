"""`web_fetch` against a real server: what it reads, where it goes, what it sends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.kernel.errors import ToolError
from shared.tools.web.network import Network
from shared.tools.web_fetch import WebFetch, WebFetchInput
from tests.unit.tools.loopback import OTHER_PUBLIC, PUBLIC, Web, context, html, page


def redirect(location: str, status: str = "302 Found") -> bytes:
    """An answer that sends the client elsewhere."""
    return page(b"moved", f"Location: {location}", status=status)


def test_reads_a_page(web: Web) -> None:
    """A page comes back as its text, with what the server said about it."""
    web.server.answers(html("<title>Fish</title><h1>Menu</h1><script>x</script><p>cod &amp; chips</p>"))
    found = web.fetch("http://Example.com/menu?today#top")
    assert found.model_dump() == {
        "type": "web_page",
        "message": "",
        "url": "http://example.com/menu?today",
        "status_code": 200,
        "content_type": "text/html",
        "title": "Fish",
        "content": "# Menu\n\ncod & chips",
        "truncated": False,
    }


def test_source_on_request(web: Web) -> None:
    """Without extraction the model sees the source, and still the title."""
    web.server.answers(html("<title>Fish</title><p>cod</p>"))
    found = web.fetch("http://example.com/", extract_text=False)
    assert (found.title, found.content) == ("Fish", "<title>Fish</title><p>cod</p>")


def test_sends_no_more_than_needed(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request has fixed headers: no credentials, no cookies, no proxy, whatever the environment or a site says."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://user:secret@127.0.0.1:1/")
    web.server.answers(
        page(b"", "Location: /b", "Set-Cookie: a=b", status="302 Found"),
        page(b"ok", "Content-Type: text/plain"),
    )
    web.fetch("http://example.com:8080/a")
    for request, path in zip(web.server.requests, (b"/a", b"/b"), strict=True):
        start, *headers = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
        assert start == b"GET " + path + b" HTTP/1.1"
        names = [header.split(b":")[0].lower() for header in headers]
        assert names == [b"host", b"user-agent", b"accept", b"accept-language", b"accept-encoding", b"connection"]
        assert b"Host: example.com:8080" in headers


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "::ffff:10.0.0.1", "fd00::1"])
def test_refuses_names_that_lead_inside(web: Web, address: str) -> None:
    """A name is refused if any of its addresses is not public, and nothing is connected to."""
    web.names["example.com"] = [[PUBLIC, address]]
    with pytest.raises(ToolError) as refused:
        web.fetch("http://example.com/")
    assert refused.value.code == "url_not_allowed"
    assert address not in refused.value.message
    assert web.connected == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "[::1]", "[::]", "[::ffff:7f00:1]", "[fe80::1]", "[64:ff9b::7f00:1]"]
)
def test_refuses_addresses_inside(web: Web, host: str) -> None:
    """An address in the URL is judged like one that was looked up."""
    with pytest.raises(ToolError) as refused:
        web.fetch(f"http://{host}/")
    assert refused.value.code == "url_not_allowed"
    assert (web.looked_up, web.connected) == ([], [])


def test_address_in_the_url_is_not_looked_up(web: Web) -> None:
    """A public address is connected to as it stands."""
    web.server.answers(html("hi"))
    assert web.fetch(f"http://{PUBLIC}/").content == "hi"
    assert (web.looked_up, web.connected) == ([], [(PUBLIC, 80)])


def test_rebinding_name_is_looked_up_once(web: Web) -> None:
    """A name that turns private after it was checked gains nothing: the first answer is the one connected to."""
    web.names["example.com"] = [[PUBLIC], ["127.0.0.1"]]
    web.server.answers(html("hi"))
    web.fetch("http://example.com/")
    assert (web.looked_up, web.connected) == (["example.com"], [(PUBLIC, 80)])


def test_redirect_to_a_rebound_name(web: Web) -> None:
    """Each hop is checked from scratch, also when it goes to the same host."""
    web.names["example.com"] = [[PUBLIC], ["127.0.0.1"]]
    web.server.answers(redirect("/again"))
    with pytest.raises(ToolError) as refused:
        web.fetch("http://example.com/")
    assert refused.value.code == "url_not_allowed"
    assert web.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.1/", "url_not_allowed"),
        ("http://169.254.169.254/latest/meta-data/", "url_not_allowed"),
        ("http://[::ffff:127.0.0.1]/", "url_not_allowed"),
        ("http://2130706433/", "url_not_allowed"),
        ("http://user:pw@example.com/", "url_not_allowed"),
        ("http://example.com:22/", "url_not_allowed"),
        ("file:///etc/passwd", "url_invalid"),
        ("gopher://example.com/", "url_not_allowed"),
        ("http://example.com\\@127.0.0.1/", "url_invalid"),
        ("http://[::1", "url_invalid"),
    ],
)
def test_redirects_are_checked(web: Web, location: str, code: str) -> None:
    """A redirect may not lead where the URL itself may not."""
    web.server.answers(redirect(location))
    with pytest.raises(ToolError) as refused:
        web.fetch("http://example.com/")
    assert refused.value.code == code
    assert len(web.connected) == 1


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_follows_redirects(web: Web, status: str) -> None:
    """A redirect to another host is looked up, connected to and reported as the page's URL."""
    web.names["other.example"] = [[OTHER_PUBLIC]]
    web.server.answers(redirect("http://other.example:8080/new", status), html("here"))
    found = web.fetch("http://example.com/")
    assert (found.url, found.content) == ("http://other.example:8080/new", "here")
    assert web.connected == [(PUBLIC, 80), (OTHER_PUBLIC, 8080)]


def test_five_redirects_are_followed(web: Web) -> None:
    """Five is not too many."""
    web.server.answers(*[redirect(f"/{number}") for number in range(5)], html("end"))
    assert web.fetch("http://example.com/").url == "http://example.com/4"


def test_six_redirects_are_too_many(web: Web) -> None:
    """A sixth redirect is not followed."""
    web.server.answers(*[redirect("/") for _ in range(6)])
    with pytest.raises(ToolError) as refused:
        web.fetch("http://example.com/")
    assert refused.value.code == "too_many_redirects"
    assert len(web.connected) == 6


def test_redirect_without_a_target_is_a_page(web: Web) -> None:
    """A status that could redirect, but does not say where, is shown as it is."""
    web.server.answers(html("choose", status="300 Multiple Choices"), html("lost", status="302 Found"))
    assert web.fetch("http://example.com/").status_code == 300
    assert web.fetch("http://example.com/").content == "lost"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_error_statuses_are_answers(web: Web, status: int) -> None:
    """A page that failed is a page: the model reads the status."""
    web.server.answers(html("<p>sorry</p>", status=f"{status} Whatever"))
    found = web.fetch("http://example.com/")
    assert (found.status_code, found.content) == (status, "sorry")


def test_error_status_with_a_picture(web: Web) -> None:
    """The status is told also when its page cannot be read."""
    web.server.answers(page(b"\x89PNG", "Content-Type: image/png", status="404 Not Found"))
    found = web.fetch("http://example.com/")
    assert (found.status_code, found.content_type, found.content) == (404, "image/png", "")


def test_empty_answer(web: Web) -> None:
    """No content is no error."""
    web.server.answers(b"HTTP/1.1 204 No Content\r\n\r\n")
    found = web.fetch("http://example.com/")
    assert (found.status_code, found.content) == (204, "")


@pytest.mark.parametrize("kind", ["image/png", "application/pdf", "application/octet-stream"])
def test_binary_documents_are_refused(web: Web, kind: str) -> None:
    """A document that is not text is refused before its body is read."""
    web.server.answers(page(b"", f"Content-Type: {kind}", "Content-Length: 999999999", length=False))
    with pytest.raises(ToolError) as refused:
        web.fetch("http://example.com/")
    assert refused.value.code == "unsupported_content"
    assert kind in refused.value.message


def test_other_text_is_left_alone(web: Web) -> None:
    """JSON and its like come as they are, without characters that no text has."""
    web.server.answers(page(b'{"a": "<p>b</p>\x07"}', "Content-Type: application/json"))
    assert web.fetch("http://example.com/").content == '{"a": "<p>b</p>"}'


def test_character_set_of_the_header(web: Web) -> None:
    """Bytes become characters as the server says."""
    web.server.answers(page("жук".encode("koi8-r"), "Content-Type: text/plain; charset=koi8-r"))
    assert web.fetch("http://example.com/").content == "жук"


def test_next_address_when_the_first_is_down(web: Web) -> None:
    """Of several public addresses, the next is tried if one does not answer."""
    web.names["example.com"] = [[PUBLIC, OTHER_PUBLIC]]
    web.unreachable.add(PUBLIC)
    web.server.answers(html("hi"))
    assert web.fetch("http://example.com/").content == "hi"
    assert web.connected == [(PUBLIC, 80), (OTHER_PUBLIC, 80)]


def test_no_address_answers(web: Web) -> None:
    """A site that is down is told as such."""
    web.unreachable.add(PUBLIC)
    with pytest.raises(ToolError) as failed:
        web.fetch("http://example.com/")
    assert failed.value.code == "fetch_failed"


def test_unknown_host(web: Web) -> None:
    """A host without an address is told as such."""
    web.names["example.com"] = [[]]
    with pytest.raises(ToolError) as failed:
        web.fetch("http://example.com/")
    assert failed.value.code == "host_not_found"


def test_resolver_that_fails() -> None:
    """A resolver's error is an unknown host."""

    def resolve(host: str, port: int) -> list[str]:
        raise OSError(host)

    with pytest.raises(ToolError) as failed:
        WebFetch(network=Network(resolve=resolve)).run(context(), WebFetchInput(url="http://example.com/"))
    assert failed.value.code == "host_not_found"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "not HTTP", "cut off", "bad chunk", "not gzip", "endless header"],
)
def test_broken_answers(web: Web, answer: bytes) -> None:
    """What is no HTTP answer ends as an error that the model can read."""
    web.server.answers(answer)
    with pytest.raises(ToolError) as failed:
        web.fetch("http://example.com/")
    assert failed.value.code == "fetch_failed"


def test_url_longer_than_allowed() -> None:
    """The arguments themselves are limited, and unknown ones refused."""
    with pytest.raises(ValidationError):
        WebFetchInput(url="http://example.com/" + "a" * 2048)
    with pytest.raises(ValidationError):
        WebFetchInput.model_validate({"url": "http://example.com/", "headers": {}})


def test_import_is_cheap() -> None:
    """A cold start that only lists the tools does not load an HTTP client."""
    source = str(Path(__file__).parents[3] / "src")
    program = "import sys, shared.tools.web_fetch; print({'httpcore', 'httpx', 'idna', 'certifi'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "set()\n"
