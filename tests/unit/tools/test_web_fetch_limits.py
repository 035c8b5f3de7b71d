"""`web_fetch` ends: by size, by time, and at once when it is cancelled."""

import gzip
import itertools
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from shared.kernel.errors import ToolError
from shared.tools.contract import ToolContext
from shared.tools.web.limits import FetchLimits
from shared.tools.web.network import Network
from shared.tools.web_fetch import WebFetch, WebFetchInput
from tests.unit.tools.loopback import PUBLIC, Web, context, html, page

MEGABYTE = 1_000_000
PATIENCE_SECONDS = 20
"""How long a test waits for what should happen at once; below the limits of the tool."""


def packed(body: bytes) -> bytes:
    """A compressed answer."""
    return page(gzip.compress(body), "Content-Type: text/plain", "Content-Encoding: gzip")


def refusal(web: Web, limits: FetchLimits | None = None) -> str:
    """The code with which the fetch ends."""
    with pytest.raises(ToolError) as ended:
        web.fetch("http://example.com/", limits=limits)
    return ended.value.code


def test_gzip_is_unpacked(web: Web) -> None:
    """A compressed page is read like any other."""
    web.server.answers(packed(b"hello " * 1000))
    assert web.fetch("http://example.com/").content == "hello " * 1000


def test_gzip_bomb(web: Web) -> None:
    """A small answer that unpacks to more than the limit is too large, and is not unpacked further."""
    bomb = packed(b"\0" * (100 * MEGABYTE))
    assert len(bomb) < MEGABYTE
    web.server.answers(bomb)
    tracemalloc.start()
    try:
        assert refusal(web) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 15 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_gzip_cut_off(web: Web) -> None:
    """A compressed page that ends too early is broken, not short."""
    half = gzip.compress(b"hello " * 1000)[:-10]
    web.server.answers(page(half, "Content-Type: text/plain", "Content-Encoding: gzip"))
    assert refusal(web) == "fetch_failed"


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_other_compression(web: Web, encoding: str) -> None:
    """Compression that was not asked for is refused."""
    web.server.answers(page(b"x", "Content-Type: text/plain", f"Content-Encoding: {encoding}"))
    assert refusal(web) == "unsupported_content"


def test_announced_size(web: Web) -> None:
    """A page that announces too many bytes is refused before they are read."""
    web.server.answers(page(b"", "Content-Type: text/plain", f"Content-Length: {3 * MEGABYTE}", length=False))
    assert refusal(web) == "too_large"


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_endless_answers(web: Web, head: bytes) -> None:
    """An answer that never ends is cut where the limit is, whether in its body or before it."""

    def endless(connection: socket.socket, request: bytes) -> None:
        block = (head if b"100" in head else b"x") * 4096
        connection.sendall(head)
        for _ in range(100_000):
            connection.sendall(block)

    web.server.answers(endless)
    assert refusal(web) == "too_large"


def test_long_text_is_cut(web: Web) -> None:
    """A long page is cut, and the model is told."""
    web.server.answers(page(b"a" * MEGABYTE, "Content-Type: text/plain"))
    found = web.fetch("http://example.com/")
    assert (len(found.content), found.truncated) == (40_000, True)
    assert found.message


@pytest.mark.parametrize("character", ["é", "日", "😀", '"', "\n", "\t"])
def test_long_text_fits_a_record(web: Web, character: str) -> None:
    """Whatever the characters, the whole answer stays below 60,000 bytes as JSON."""
    title = '"' * 400
    web.server.answers(html(f"<title>{title}</title><pre>a{character * 200_000}b</pre>"))
    found = web.fetch("http://example.com/?" + "q" * 2000)
    dumped = json.dumps(found.model_dump(), ensure_ascii=False).encode()
    assert len(dumped) < 60_000
    assert len(found.model_dump_json().encode()) < 60_000
    assert found.truncated


def test_long_html_is_cut(web: Web) -> None:
    """Extraction stops when there is enough text."""
    web.server.answers(html("<p>word</p>" * 50_000))
    found = web.fetch("http://example.com/")
    assert found.truncated
    assert 39_000 < len(found.content) <= 40_000


def drip(web: Web, head: bytes, limits: FetchLimits, call: ToolContext) -> int:
    """Read from a server that always sends a little more; how many seconds of the clock it took to time out."""

    def send(connection: socket.socket, request: bytes) -> None:
        connection.sendall(head)
        with suppress(OSError):
            while True:
                connection.sendall(b"x")

    web.server.answers(send)
    seconds = itertools.count()  # each look at the clock takes a second
    tool = WebFetch(network=web.network(), limits=limits, clock=lambda: float(next(seconds)))
    with pytest.raises(ToolError) as ended:
        tool.run(call, WebFetchInput(url="http://example.com/"))
    assert ended.value.code == "timed_out"
    return next(seconds) - 1


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"], ids=["headers", "body"])
def test_slow_drip(web: Web, head: bytes) -> None:
    """A server that drips is cut at the deadline, although no single read is slow."""
    assert drip(web, head, FetchLimits(total_seconds=20), context()) == 20


def test_time_of_the_call_counts_too(web: Web) -> None:
    """A call that has less time than the tool would take ends in its own time."""
    assert drip(web, b"", FetchLimits(total_seconds=20), context(timeout_seconds=10)) == 10


def test_silent_server(web: Web) -> None:
    """A server that says nothing is given up."""
    web.server.answers(lambda connection, _: web.server.wait_for_hang_up(connection))
    assert refusal(web, FetchLimits(read_seconds=0.05)) == "timed_out"
    assert web.server.hung_up.wait(PATIENCE_SECONDS)


def test_slow_resolver() -> None:
    """A look-up that does not come back is left behind."""
    released = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        released.wait(PATIENCE_SECONDS)
        return [PUBLIC]

    tool = WebFetch(network=Network(resolve=resolve), limits=FetchLimits(resolve_seconds=0.05))
    with pytest.raises(ToolError) as ended:
        tool.run(context(), WebFetchInput(url="http://example.com/"))
    released.set()
    assert ended.value.code == "timed_out"


@contextmanager
def cancelled_fetch(tool: WebFetch, url: str, is_blocked: threading.Event) -> Iterator[None]:
    """Run the tool, cancel it when `is_blocked`, and expect that it ends at once and says so."""
    call: ToolContext = context()
    with ThreadPoolExecutor(2) as pool:
        fetch = pool.submit(tool.run, call, WebFetchInput(url=url))
        try:
            assert is_blocked.wait(PATIENCE_SECONDS)
            pool.submit(call.cancellation.cancel).result(timeout=5)  # it must not wait for the fetch
            ended = fetch.exception(timeout=5)
        finally:
            call.cancellation.cancel()
        yield
    assert isinstance(ended, ToolError)
    assert ended.code == "cancelled"


PATIENT = FetchLimits(total_seconds=PATIENCE_SECONDS, read_seconds=PATIENCE_SECONDS, connect_seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\npart"], ids=["before the answer", "in its middle"]
)
def test_cancelled_in_a_read(web: Web, head: bytes) -> None:
    """A cancellation closes the connection under a read that blocks."""
    is_blocked = threading.Event()

    def stall(connection: socket.socket, request: bytes) -> None:
        connection.sendall(head)
        is_blocked.set()
        web.server.wait_for_hang_up(connection)

    web.server.answers(stall)
    with cancelled_fetch(WebFetch(network=web.network(), limits=PATIENT), "http://example.com/", is_blocked):
        assert web.server.hung_up.wait(PATIENCE_SECONDS)


def test_cancelled_in_the_handshake() -> None:
    """A cancellation also ends a TLS handshake that the server does not go on with."""
    is_blocked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def connect(sock: socket.socket, address: tuple[str, int]) -> None:
            sock.connect(silent.getsockname())

        def accept() -> None:
            with silent.accept()[0] as connection:
                connection.recv(65_536)  # the client's hello: it now waits for ours
                is_blocked.set()
                with suppress(OSError):
                    connection.recv(65_536)

        server = threading.Thread(target=accept, daemon=True)
        server.start()
        network = Network(resolve=lambda *_: [PUBLIC], connect=connect)
        with cancelled_fetch(WebFetch(network=network, limits=PATIENT), "https://example.com/", is_blocked):
            server.join(PATIENCE_SECONDS)
        assert not server.is_alive()


def test_cancelled_in_connecting(web: Web) -> None:
    """The socket can be cut before it is handed on, and no further address is tried."""
    is_blocked = threading.Event()
    tried: list[str] = []

    def connect(sock: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[0])
        sock.connect(web.server.address)
        is_blocked.set()
        sock.recv(1)
        raise ConnectionError

    network = Network(resolve=lambda *_: [PUBLIC, PUBLIC], connect=connect)
    with cancelled_fetch(WebFetch(network=network, limits=PATIENT), "http://example.com/", is_blocked):
        assert tried == [PUBLIC]


def test_cancelled_in_a_look_up() -> None:
    """A look-up cannot be interrupted, but nobody waits for it any more."""
    is_blocked, released = threading.Event(), threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        is_blocked.set()
        released.wait(PATIENCE_SECONDS)
        return [PUBLIC]

    tool = WebFetch(network=Network(resolve=resolve), limits=PATIENT)
    with cancelled_fetch(tool, "http://example.com/", is_blocked):
        released.set()


def test_cancelled_before_it_began(web: Web) -> None:
    """A call that is cancelled already does nothing."""
    call = context()
    call.cancellation.cancel()
    with pytest.raises(ToolError) as ended:
        web.fetch("http://example.com/", call=call)
    assert ended.value.code == "cancelled"
    assert web.looked_up == []


def test_cancelled_after_its_end(web: Web) -> None:
    """A cancellation that comes too late touches nothing."""
    web.server.answers(html("hi"))
    call = context()
    web.fetch("http://example.com/", call=call)
    call.cancellation.cancel()
