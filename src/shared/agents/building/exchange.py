"""One POST of JSON to a service of the deployer's, bounded in size and time, and cut when the work is to stop."""

import json
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from shared.kernel.clock import Clock
from shared.kernel.errors import ToolError
from shared.tools.contract import Cancellation

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

TIMEOUT_SECONDS = 600.0
MAX_ANSWER_BYTES = 2_000_000
_CONNECT_SECONDS = 10.0
_PIECE_BYTES = 64_000


class Unreachable(ToolError):
    """No connection, or one that broke."""

    default_code = "generator_unreachable"


class Exchange:
    """Sends requests; follows no redirect."""

    def __init__(self, clock: Clock, cancellation: Cancellation, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._clock = clock
        self._cancellation = cancellation
        self._timeout_seconds = timeout_seconds

    def post(self, url: str, value: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            Unreachable: there is no connection, or it broke.
            ToolError: `generator_timeout`, `generator_invalid_response`, or `cancelled`.
        """
        from http.client import HTTPException  # no cold start of a turn should pay for it

        until = self._clock.now() + self._timeout_seconds
        connection, path = self._connection(url)
        with closing(connection):
            try:
                connection.connect()
                self._cancellation.on_cancel(lambda: _cut(connection))
                connection.sock.settimeout(self._timeout_seconds)
                connection.request(
                    "POST", path, json.dumps(value).encode(), {"content-type": "application/json", **headers}
                )
                with closing(connection.getresponse()) as response:
                    return response.status, self._read(response, until)
            except TimeoutError as error:
                self._check()
                raise _too_slow(self._timeout_seconds) from error
            except OSError as error:
                self._check()
                raise Unreachable("The generator can't be reached, or the connection broke.") from error
            except HTTPException as error:
                self._check()
                message = "What the generator answers is not HTTP, or breaks off."
                raise ToolError(message, code="generator_invalid_response") from error

    def _connection(self, url: str) -> "tuple[HTTPConnection, str]":
        from http.client import HTTPConnection, HTTPSConnection
        from urllib.parse import urlsplit

        self._check()
        target = urlsplit(url)
        kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
        return kind(target.hostname or "", target.port, timeout=_CONNECT_SECONDS), target.path

    def _read(self, response: "HTTPResponse", until: float) -> bytes:
        body = b""
        while piece := response.read1(_PIECE_BYTES):  # what has come; `read` would wait until the piece is full
            body += piece
            self._check()
            if len(body) > MAX_ANSWER_BYTES:
                message = f"The generator's answer has more than {MAX_ANSWER_BYTES} bytes."
                raise ToolError(message, code="generator_invalid_response")
            if self._clock.now() > until:
                raise _too_slow(self._timeout_seconds)
        if response.length:  # read in pieces, it says nothing of a body that is cut short
            raise Unreachable("The generator's answer breaks off.")
        return body

    def _check(self) -> None:
        if self._cancellation.cancelled:
            raise ToolError("The building was stopped.", code="cancelled")


def _cut(connection: "HTTPConnection") -> None:
    """Wake the thread that is blocked in a read."""
    with suppress(OSError):
        if connection.sock is not None:
            # Not SSLSocket.shutdown: it would drop the TLS state under the reading thread.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _too_slow(seconds: float) -> ToolError:
    return ToolError(f"The generator did not answer within {seconds:g} s.", code="generator_timeout")
