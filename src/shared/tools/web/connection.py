"""A TCP connection to a pinned address that watches the clock, counts bytes and can be cut from outside.

Imported on the first fetch only: `httpcore` would cost every cold start.
"""

import socket
import ssl
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import httpcore

from shared.kernel.errors import ToolError
from shared.tools.web.address_rules import IPAddress
from shared.tools.web.limits import FetchLimits
from shared.tools.web.network import Connect
from shared.tools.web.watch import Watch


class Line:
    """The socket of one hop; `cut` may be called from any thread, at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def hold(self, sock: socket.socket) -> None:
        """Make `sock` the one to cut."""
        with self._lock:
            self._socket = sock

    def secure(self, context: ssl.SSLContext, server_name: str | None) -> ssl.SSLSocket:
        """Put TLS over the socket, without the handshake: that one blocks, and must be cut too."""
        with self._lock:
            assert self._socket is not None
            secured = context.wrap_socket(self._socket, server_hostname=server_name, do_handshake_on_connect=False)
            self._socket = secured
            return secured

    def cut(self) -> None:
        """End both directions at once, which wakes a thread that is blocked in a read or a connect."""
        with self._lock, suppress(OSError):
            if self._socket is not None:
                # Not SSLSocket.shutdown: it would drop the TLS state under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back; repeated calls do nothing."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, whatever host it is asked for."""

    def __init__(self, addresses: Sequence[IPAddress], connect: Connect, watch: Watch, limits: FetchLimits) -> None:
        self._addresses = addresses
        self._connect = connect
        self._watch = watch
        self._limits = limits
        self.line = Line()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - never resolved again: that is the point
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the watch knows better
        local_address: str | None = None,  # noqa: ARG002 - not ours to choose
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - none are set
    ) -> httpcore.NetworkStream:
        """Open the connection to the first pinned address that answers."""
        for address in self._addresses:
            try:
                return self._open(address, port)
            except OSError:
                self._watch.check()
        raise ToolError("No connection to the host could be made; the site may be down.", code="fetch_failed")

    def _open(self, address: IPAddress, port: int) -> "WatchedStream":
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        self.line.close()
        self.line.hold(sock)
        sock.settimeout(self._watch.remaining(self._limits.connect_seconds))
        self._connect(sock, (str(address), port))
        self._watch.check()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return WatchedStream(sock, self.line, self._watch, self._limits)


class WatchedStream(httpcore.NetworkStream):
    """The bytes of the connection; every step asks the watch, and the answer's size is counted."""

    def __init__(self, sock: socket.socket, line: Line, watch: Watch, limits: FetchLimits) -> None:
        self._socket = sock
        self._line = line
        self._watch = watch
        self._limits = limits
        self._received = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the watch knows better
        """The next bytes, empty at the end."""
        self._socket.settimeout(self._watch.remaining(self._limits.read_seconds))
        try:
            received = self._socket.recv(max_bytes)
        except OSError as error:
            raise self._failure(error) from error
        self._watch.check()
        self._received += len(received)
        if self._received > self._limits.encoded_bytes:
            raise too_large(self._limits)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the watch knows better
        """Send all of it."""
        self._socket.settimeout(self._watch.remaining(self._limits.read_seconds))
        try:
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise self._failure(error) from error
        except OSError as error:
            # A server may answer and hang up without reading: httpcore then still reads the answer.
            self._watch.check()
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        """Close the socket."""
        self._line.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the watch knows better
    ) -> httpcore.NetworkStream:
        """Prove that the server is `server_hostname`, and encrypt from here on."""
        try:
            secured = self._line.secure(ssl_context, server_hostname)
            secured.settimeout(self._watch.remaining(self._limits.connect_seconds))
            secured.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(server_hostname, error) from error
        except OSError as error:
            raise self._failure(error) from error
        self._watch.check()
        return WatchedStream(secured, self._line, self._watch, self._limits)

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002 - httpcore asks for TLS details to find HTTP/2
        """Nothing is told: HTTP/1.1 is all that is spoken."""
        return None

    def _failure(self, error: OSError) -> ToolError:
        self._watch.check()
        if isinstance(error, TimeoutError):
            return ToolError("The server stopped answering; try again later or another page.", code="timed_out")
        return ToolError("The connection to the server broke; try again later.", code="fetch_failed")


def too_large(limits: FetchLimits) -> ToolError:
    """The answer has more bytes than may be read."""
    megabytes = f"{limits.encoded_bytes / 1e6:g} MB ({limits.decoded_bytes / 1e6:g} MB unpacked)"
    return ToolError(f"The page is larger than {megabytes}; look for a smaller one.", code="too_large")


def _untrusted(host: str | None, error: ssl.SSLCertVerificationError) -> ToolError:
    return ToolError(f"The certificate of {host} is not valid: {error.verify_message}.", code="fetch_failed")
