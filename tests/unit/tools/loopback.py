"""A small web in one process: names that resolve as told, and one real server that every address leads to."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from shared.tools.contract import ToolContext
from shared.tools.web.limits import FetchLimits
from shared.tools.web.network import Network
from shared.tools.web_fetch import WebFetch, WebFetchInput, WebPage

PUBLIC = "93.184.216.34"
OTHER_PUBLIC = "151.101.1.140"

Reply = Callable[[socket.socket, bytes], None]


def page(body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> bytes:
    """One whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def html(body: str, *headers: str, status: str = "200 OK") -> bytes:
    """One whole HTTP answer with an HTML page in it."""
    return page(body.encode(), "Content-Type: text/html; charset=utf-8", *headers, status=status)


def context(timeout_seconds: float = 300) -> ToolContext:
    """A call of a user who does not matter here."""
    return ToolContext("user", "session", "task", "call", timeout_seconds)


class Server:
    """Answers each connection with the next reply; keeps the requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.hung_up = threading.Event()
        """The client closed while the server still listened."""
        self._replies: list[Reply] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: socket.socket | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._listener.getsockname()
        return str(host), int(port)

    def answers(self, *replies: bytes | Reply) -> None:
        """Answer the next connections with these, in this order."""
        for reply in replies:
            self._replies.append(_sender(reply) if isinstance(reply, bytes) else reply)

    def close(self) -> None:
        """Stop, and end what is still connected."""
        self._closing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._open is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)
        self._thread.join(timeout=10)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open = connection
            with connection, suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if self._tls is None:
            self._reply(connection)
            return
        with self._tls.wrap_socket(connection, server_side=True) as secured:
            self._open = secured
            self._reply(secured)

    def _reply(self, connection: socket.socket) -> None:
        request = b""
        while not _is_whole(request):  # an answer while the body is on its way would reset the connection
            received = connection.recv(65_536)
            if not received:
                return
            request += received
        self.requests.append(request)
        self._replies.pop(0)(connection, request)

    def wait_for_hang_up(self, connection: socket.socket) -> None:
        """Say nothing more, until the client goes away."""
        with suppress(OSError):
            while connection.recv(1024):
                pass
        self.hung_up.set()


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and len(body) >= (int(lengths[0]) if lengths else 0)


def _sender(answer: bytes) -> Reply:
    return lambda connection, _request: connection.sendall(answer)


@dataclass
class Web:
    """The network as the tool sees it; names and connections are kept for the tests to look at."""

    server: Server
    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    """What each look-up of a name answers, one after the other; one public address if it is not listed."""
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """Answer as told."""
        self.looked_up.append(host)
        return self.names[host].pop(0) if host in self.names else [PUBLIC]

    def connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Lead every connection to the server."""
        self.connected.append(address)
        if address[0] in self.unreachable:
            raise ConnectionRefusedError
        sock.connect(self.server.address)

    def network(self, ssl_context: ssl.SSLContext | None = None) -> Network:
        """This web, with the product's own rules about addresses and ports."""
        trusted = ssl_context or ssl.create_default_context()
        return Network(resolve=self.resolve, connect=self.connect, ssl_context=lambda: trusted)

    def fetch(
        self,
        url: str,
        *,
        extract_text: bool = True,
        limits: FetchLimits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        call: ToolContext | None = None,
    ) -> WebPage:
        """Run the tool."""
        tool = WebFetch(network=self.network(ssl_context), limits=limits)
        return tool.run(call or context(), WebFetchInput(url=url, extract_text=extract_text))


@contextmanager
def small_web(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A web that is gone afterwards."""
    server = Server(tls)
    try:
        yield Web(server)
    finally:
        server.close()
