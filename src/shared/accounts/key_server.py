"""Fetching a JSON Web Key Set: one bounded request, straight to the address that the deployer has configured.

No redirects and no proxy: who may sign in must not depend on what an answer says.
"""

import queue
import ssl
import threading
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

FETCH_SECONDS = 1.5
MAX_KEY_SET_BYTES = 150_000
_PIECE_BYTES = 16_384


class KeysUnavailable(Exception):
    """The key set could not be had; the message says why, for the log."""


def fetch_key_set(url: str) -> bytes:
    """The key set at `url`, within `FETCH_SECONDS` in all, however slow its server is.

    Raises:
        KeysUnavailable: no answer in time, not a 200, or too large.
    """
    answers: queue.SimpleQueue[bytes | KeysUnavailable] = queue.SimpleQueue()
    # In a thread of its own, because neither a name look-up nor a slow drip can be interrupted.
    threading.Thread(target=lambda: answers.put(_answer(url)), name="key-set", daemon=True).start()
    try:
        answer = answers.get(timeout=FETCH_SECONDS)
    except queue.Empty:
        raise KeysUnavailable(f"no answer in {FETCH_SECONDS} s") from None
    if isinstance(answer, KeysUnavailable):
        raise answer
    return answer


def _answer(url: str) -> bytes | KeysUnavailable:
    try:
        return _get(url)
    except KeysUnavailable as failure:
        return failure
    except (OSError, HTTPException, ValueError) as error:
        return KeysUnavailable(type(error).__name__)


def _get(url: str) -> bytes:
    parts = urlsplit(url)
    deadline = time.monotonic() + FETCH_SECONDS
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    with closing(connection):
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Parley"}
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            if response.status != 200:
                raise KeysUnavailable(f"status {response.status}")
            return _body(response, deadline)


def _body(response: HTTPResponse, deadline: float) -> bytes:
    body = b""
    while piece := response.read1(_PIECE_BYTES):
        body += piece
        if len(body) > MAX_KEY_SET_BYTES:
            raise KeysUnavailable(f"more than {MAX_KEY_SET_BYTES} bytes")
        if time.monotonic() > deadline:  # nobody waits any more: end the thread
            raise KeysUnavailable("too slow")
    return body


def _connection(scheme: str, host: str, port: int | None) -> HTTPConnection:
    if scheme == "http":  # loopback only, see the settings
        return HTTPConnection(host, port, timeout=FETCH_SECONDS)
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    return HTTPSConnection(host, port, timeout=FETCH_SECONDS, context=context)
