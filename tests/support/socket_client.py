"""A WebSocket client that shows every frame, for what the official one would hide or refuse to send."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.sockets import Received
from tests.support.waiting import PATIENCE

FRAGMENT_BYTES = 32 * 1024


class SocketClient:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.frames: list[dict[str, Any]] = []

    def send(self, frame: Any) -> None:
        """Send a frame as JSON."""
        self.send_text(json.dumps(frame))

    def send_text(self, text: str) -> None:
        """Send any text; in pieces of 32 KB, as API Gateway demands."""
        raw = text.encode()
        if len(raw) <= FRAGMENT_BYTES:
            self._connection.send(text)
            return
        self._connection.send(_pieces(raw), text=True)

    def next_frame(self) -> dict[str, Any]:
        """The next frame; each must have a string type and request id, or the official client would leave."""
        frame: dict[str, Any] = json.loads(self._connection.recv(timeout=PATIENCE))
        assert isinstance(frame.get("type"), str), frame
        assert isinstance(frame.get("requestId"), str), frame
        self.frames.append(frame)
        return frame

    def until_end(self, request_id: str) -> Received:
        """All frames of a request up to its end, its error or its no-active."""
        closing = {"end", "error", "no-active"}
        while not any(f["requestId"] == request_id and f["type"] in closing for f in self.frames):
            self.next_frame()
        return self.of(request_id)

    def of(self, request_id: str) -> Received:
        """What a request has got so far."""
        return Received([frame for frame in self.frames if frame["requestId"] == request_id])

    def answers(self, frame: Any) -> dict[str, Any]:
        """Send, and the next frame that comes."""
        self.send(frame)
        return self.next_frame()

    def works(self) -> bool:
        """Whether the socket is still of use."""
        return bool(self.answers({"type": "ping", "requestId": "any"})["type"] == "pong")


def _pieces(raw: bytes) -> Iterable[bytes]:
    for start in range(0, len(raw), FRAGMENT_BYTES):
        yield raw[start : start + FRAGMENT_BYTES]


@contextmanager
def connected(url: str, ticket: str) -> Iterator[SocketClient]:
    """A connection for the length of a block."""
    with connect(
        f"{url}?ticket={ticket}",
        max_size=None,
        compression=None,
        open_timeout=PATIENCE,
        close_timeout=2,
        ping_interval=None,
    ) as connection:
        yield SocketClient(connection)


def send_frame(request_id: str, session_id: str, text: str, message_id: str, **fields: Any) -> dict[str, Any]:
    """The frame with which the official transport sends a message."""
    message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
    frame = {"type": "send", "requestId": request_id, "id": session_id, "trigger": "submit-message"}
    return {**frame, "messages": [message], "headers": {}, "body": {}, **fields}


def resume_frame(request_id: str, session_id: str) -> dict[str, Any]:
    """The frame with which the official transport resumes."""
    return {"type": "resume", "requestId": request_id, "id": session_id, "headers": {}, "body": {}}
