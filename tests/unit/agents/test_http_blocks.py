"""The blocks that talk to others: only with the public internet, and only what they are told."""

import base64
import hashlib
import hmac
import json
import socket
from typing import Any

import pytest

from shared.kernel.errors import ToolError
from tests.support.blocks import Bench, block_named
from tests.support.credentials import SIGNING_SECRET, TOKEN
from tests.unit.tools.loopback import page

URL = "https://api.example.com/rivers"
HOOK = {"url": "https://hooks.example.com/done", "payload": {"done": "très"}}


def reading(answer: bytes) -> Any:
    """Answers when the whole body has come."""

    def reply(connection: socket.socket, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65_536)
        received.append((head.decode(), body))
        connection.sendall(answer)

    received: list[tuple[str, bytes]] = []
    reply.received = received  # type: ignore[attr-defined]
    return reply


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://10.0.0.1/",
        "http://metadata.google.internal/",
        "https://user:password@api.example.com/",
        "https://api.example.com:22/",
        "ftp://api.example.com/",
    ],
)
@pytest.mark.parametrize("block", ["HTTP request", "Send webhook"])
def test_only_the_public_internet_is_reached(bench: Bench, block: str, url: str) -> None:
    """Whatever the address is written like; also not in a dry run."""
    inputs = {**HOOK, "url": url} if block == "Send webhook" else {"url": url, "method": "POST", "body": "x"}
    assert bench.fails(block, inputs) == "url_not_allowed"
    bench.dry_run = True
    assert bench.fails(block, inputs) == "url_not_allowed"
    assert bench.web.connected == []


def test_a_name_that_leads_inside_is_refused(bench: Bench) -> None:
    """Also when a redirect gives it."""
    bench.web.names["inside.example.com"] = [["10.0.0.1"]] * 2
    assert bench.fails("HTTP request", {"url": "https://inside.example.com/"}) == "url_not_allowed"
    bench.web.server.answers(page(b"", "Location: https://inside.example.com/", status="302 Found"))
    assert bench.fails("HTTP request", {"url": URL}) == "url_not_allowed"


def test_a_request_is_sent_as_it_is_given(bench: Bench) -> None:
    """Method, headers and body; JSON is labelled as such."""
    reply = reading(page(b'{"id": 7}', "Content-Type: application/json", status="201 Created"))
    bench.web.server.answers(reply)
    inputs = {"url": URL, "method": "PUT", "headers": {"Authorization": "Bearer x"}, "body": {"name": "Rhône"}}
    outputs = bench.run("HTTP request", inputs)

    head, body = reply.received[0]
    assert outputs["status_code"] == [201]
    assert outputs["body"] == [{"id": 7}]
    assert "error" not in outputs
    assert head.startswith("PUT /rivers HTTP/1.1\r\nHost: api.example.com\r\n")
    assert "Authorization: Bearer x" in head
    assert "Content-Type: application/json" in head
    assert json.loads(body) == {"name": "Rhône"}


def test_a_failure_of_the_server_is_an_output(bench: Bench) -> None:
    """An agent may have something to do about it."""
    bench.web.server.answers(page(b"no", "Content-Type: text/plain", status="404 Not Found"))
    outputs = bench.run("HTTP request", {"url": URL})
    assert (outputs["status_code"], outputs["body"], outputs["error"]) == ([404], ["no"], ["The server answered 404."])


def test_what_says_it_is_json_and_is_not_stays_text(bench: Bench) -> None:
    """NaN among it, which nobody else could read."""
    bench.web.server.answers(page(b'{"n": NaN}', "Content-Type: application/json"))
    assert bench.run("HTTP request", {"url": URL})["body"] == ['{"n": NaN}']


def test_headers_do_not_follow_to_another_site(bench: Bench) -> None:
    """They may be secrets of the first one."""
    bench.web.server.answers(
        page(b"", "Location: /there", status="302 Found"),
        page(b"", "Location: https://other.org/", status="302 Found"),
        page(b"ok", "Content-Type: text/plain"),
    )
    bench.run("HTTP request", {"url": URL, "headers": {"X-Key": "secret"}})
    assert [b"X-Key: secret" in request for request in bench.web.server.requests] == [True, True, False]


def test_a_redirect_of_a_post_is_not_followed(bench: Bench) -> None:
    """The body was meant for the first address."""
    bench.web.server.answers(reading(page(b"", "Location: https://other.org/", status="307 Temporary Redirect")))
    outputs = bench.run("HTTP request", {"url": URL, "method": "POST", "body": "x"})
    assert outputs["status_code"] == [307]
    assert len(bench.web.connected) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.org"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Proxy-Authorization": "x"},
        {"X-A": "a\r\nX-B: b"},
        {"X A": "b"},
        {"X-A:": "b"},
        {"": "b"},
        {"X-A": "ü"},
    ],
)
def test_headers_can_not_break_the_request(bench: Bench, headers: dict[str, str]) -> None:
    """Neither frame it anew, nor lead it elsewhere, nor bring a second one along."""
    assert bench.fails("HTTP request", {"url": URL, "headers": headers}) == "header_not_allowed"
    assert bench.web.connected == []


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"body": "x"}, "body_not_allowed"),
        ({"method": "POST", "body": "x" * 80_001}, "content_too_large"),
        ({"method": "POST", "body": "\ud800"}, "content_invalid"),
    ],
)
def test_a_body_that_can_not_be_sent(bench: Bench, inputs: dict[str, Any], code: str) -> None:
    """The error says why."""
    assert bench.fails("HTTP request", {"url": URL, **inputs}) == code


@pytest.mark.parametrize(("method", "acts"), [("GET", False), ("HEAD", False), ("POST", True), ("DELETE", True)])
def test_only_reading_needs_nobody(method: str, acts: bool) -> None:
    """What may change something is asked about, and not repeated after a kill."""
    block = block_named("HTTP request")
    inputs = block.input_model.model_validate({"url": URL, "method": method})
    assert (block.takes_effect(inputs), block.asks_first(inputs)) == (acts, acts)


def test_a_webhook_is_signed(bench: Bench) -> None:
    """As the Standard Webhooks specification says; a receiver checks it with the secret alone."""
    reply = reading(page(b"ok", "Content-Type: text/plain"))
    bench.web.server.answers(reply)
    outputs = bench.run("Send webhook", HOOK)

    head, body = reply.received[0]
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    key = base64.b64decode(SIGNING_SECRET.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["Webhook-Signature"] == f"v1,{wanted}"
    assert headers["Webhook-Timestamp"] == "1752840000"
    assert outputs["webhook_id"] == [headers["Webhook-Id"]]
    assert json.loads(body) == HOOK["payload"]


def test_the_same_webhook_has_the_same_id(bench: Bench) -> None:
    """So a receiver knows a repetition; another execution is another message."""
    bench.dry_run = True
    ids = [bench.run("Send webhook", HOOK, call)["webhook_id"] for call in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]


def test_a_receiver_that_refuses_is_an_error(bench: Bench) -> None:
    """The message did not arrive."""
    bench.web.server.answers(reading(page(b"no", "Content-Type: text/plain", status="500 Oops")))
    assert bench.fails("Send webhook", HOOK) == "webhook_refused"


def test_a_page_is_read_without_its_markup(bench: Bench) -> None:
    """As `web_fetch` reads it; what is no HTML comes as it is."""
    markup = b"<html><head><script>x()</script></head><body><h1>Rivers</h1><p>The Rhine.</p></body></html>"
    shown = page(markup, "Content-Type: text/html")
    bench.web.server.answers(shown, shown, page(b'{"a": 1}', "Content-Type: application/json"))
    inputs = {"url": URL, "page_text": True}
    assert bench.run("HTTP request", inputs)["body"] == ["# Rivers\n\nThe Rhine."]
    assert "<script>" in bench.run("HTTP request", {"url": URL})["body"][0]
    assert bench.run("HTTP request", inputs)["body"] == [{"a": 1}]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_credential_is_shown_to_its_host_alone(bench: Bench, method: str) -> None:
    """It is put in at the last moment, in place of what the inputs say; a redirect to another site loses it."""
    inputs = {"url": URL, "method": method, "credential": "http_bearer", "headers": {"authorization": "mine"}}
    bench.web.server.answers(page(b"ok", "Content-Type: text/plain"))
    assert bench.run("HTTP request", inputs)["body"] == ["ok"]
    (request,) = bench.web.server.requests
    assert f"Authorization: Bearer {TOKEN}".encode() in request
    assert b"mine" not in request

    for url in ("https://evil.example.com/", "https://api.example.com:8443/", "https://api.example.com.evil.org/"):
        assert bench.fails("HTTP request", {**inputs, "url": url}) == "credential_not_for_this_host"
    assert bench.fails("HTTP request", {**inputs, "url": "http://api.example.com/"}) == "credential_needs_https"
    assert bench.fails("HTTP request", {**inputs, "url": "https://10.0.0.1/"}) == "url_not_allowed"
    assert len(bench.web.server.requests) == 1


def test_a_dry_run_of_somebody_elses_agent_uses_no_account(bench: Bench) -> None:
    """Nobody is asked in it, so nothing is read that it could send on; without an account it reads."""
    bench.dry_run = bench.is_foreign = True
    reading = {"url": URL, "credential": "http_bearer"}
    unconnected = {"url": "https://other.example.com/", "credential": "no_such"}
    for asked in (reading, unconnected):  # it doesn't learn either which accounts there are
        assert bench.run("HTTP request", asked)["body"] == ["(dry run: nothing was sent)"]
    assert bench.run("Send webhook", {**HOOK, "url": "https://unknown.example.com/"})["status_code"] == [200]
    assert bench.web.connected == []
    bench.web.server.answers(*[page(b"ok", "Content-Type: text/plain")] * 2)
    assert bench.run("HTTP request", {"url": URL})["body"] == ["ok"]
    bench.is_foreign = False
    assert bench.run("HTTP request", reading)["body"] == ["ok"]


def test_a_credential_does_not_follow_to_another_site(bench: Bench) -> None:
    """It stays on the way within the first one."""
    bench.web.server.answers(
        page(b"", "Location: /there", status="302 Found"),
        page(b"", "Location: https://other.example.com/", status="302 Found"),
        page(b"ok", "Content-Type: text/plain"),
    )
    bench.run("HTTP request", {"url": URL, "credential": "http_bearer"})
    assert [TOKEN.encode() in request for request in bench.web.server.requests] == [True, True, False]


def test_a_server_that_sends_the_secret_back_tells_nobody(bench: Bench) -> None:
    """Not in the body, in any usual spelling, nor in the address, the type, or an error's words."""
    spelt = base64.b64encode(TOKEN.encode()).decode()
    body = json.dumps({"headers": {"Authorization": f"Bearer {TOKEN}"}, TOKEN: [spelt, f"x={TOKEN.encode().hex()}"]})
    bench.web.server.answers(
        page(b"", f"Location: /?echo={TOKEN}", status="302 Found"),
        page(body.encode(), "Content-Type: application/json"),
    )
    outputs = bench.run("HTTP request", {"url": URL, "credential": "http_bearer"})
    said = json.dumps(outputs)
    assert not any(form in said for form in (TOKEN, spelt, TOKEN.encode().hex()))
    assert outputs["body"][0]["headers"] == {"Authorization": "Bearer [hidden]"}

    bench.web.server.answers(page(b"", f"Content-Type: image/{TOKEN}"))
    with pytest.raises(ToolError) as told:
        bench.run("HTTP request", {"url": URL, "credential": "http_bearer"})
    assert (told.value.code, TOKEN in told.value.message) == ("unsupported_content", False)


def test_what_is_not_connected_can_not_be_used(bench: Bench) -> None:
    """Each reason has a code of its own; somebody else's account is none."""
    assert bench.safe
    bench.safe.connect({"provider": "http_api_key", "key": TOKEN, "hosts": ["api.example.com"]}, user="bob")
    assert bench.fails("HTTP request", {"url": URL, "credential": "http_api_key"}) == "credentials_missing"
    assert bench.fails("HTTP request", {"url": URL, "credential": "no_such"}) == "credentials_missing"
    bench.dry_run = True
    posting = {"url": "https://evil.example.com/", "method": "POST", "credential": "http_bearer"}
    assert bench.fails("HTTP request", posting) == "credential_not_for_this_host"
    bench.safe = None
    assert bench.fails("HTTP request", {"url": URL, "credential": "http_bearer"}) == "credentials_not_configured"
