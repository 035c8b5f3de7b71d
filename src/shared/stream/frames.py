"""The frames of a socket: those of the official WebSocketChatTransport, and few of our own.

Our own carry a `requestId` that no client ever uses, because the official client closes the socket
on a frame without one and ignores one that it doesn't know.
"""

from collections.abc import Mapping
from typing import Any

from shared.stream.parts import Part, encode

SYSTEM_REQUEST = "~sys"


def start(request_id: str) -> bytes:
    """The request was accepted; its chunks follow."""
    return _frame({"type": "start", "requestId": request_id})


def chunk(request_id: str, sequence: int, part: Part) -> bytes:
    """One part; `sequence` counts from 0 within the request, without gaps."""
    return _frame({"type": "chunk", "requestId": request_id, "sequence": sequence, "chunk": part})


def end(request_id: str) -> bytes:
    """Nothing more comes for the request."""
    return _frame({"type": "end", "requestId": request_id})


def no_active(request_id: str) -> bytes:
    """There is nothing to resume."""
    return _frame({"type": "no-active", "requestId": request_id})


def error(request_id: str, code: str, message: str, details: Mapping[str, Any] | None = None) -> bytes:
    """The request failed; the socket stays open."""
    more = {"details": details} if details else {}
    return _frame({"type": "error", "requestId": request_id, "errorText": message, "code": code, **more})


def heartbeat() -> bytes:
    """The turn lives, though it has nothing to say."""
    return _frame({"type": "heartbeat", "requestId": SYSTEM_REQUEST})


def notify(kind: str, **fields: str) -> bytes:
    """Something that the user should know of, whatever this connection watches."""
    return _frame({"type": "notify", "requestId": SYSTEM_REQUEST, "kind": kind, **fields})


def pong() -> bytes:
    """The answer to a client's ping."""
    return _frame({"type": "pong", "requestId": SYSTEM_REQUEST})


def _frame(value: dict[str, object]) -> bytes:
    return encode(value).encode()
