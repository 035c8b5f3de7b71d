"""Sockets that keep what they were sent, and fail on purpose."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from shared.aws.sockets import MAX_FRAME_BYTES, ConnectionGone, ConnectionSlow


class FakeSockets:
    """All connections of a test. `gone` and `slow` name connections that fail."""

    def __init__(self) -> None:
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.gone: set[str] = set()
        self.slow: set[str] = set()
        self.closed: list[str] = []
        self.on_post: Callable[[str, dict[str, Any]], None] | None = None

    def post(self, connection_id: str, frame: bytes) -> None:
        assert len(frame) <= MAX_FRAME_BYTES, "API Gateway would close the connection with 1009"
        if connection_id in self.gone:
            raise ConnectionGone(connection_id)
        if connection_id in self.slow:
            raise ConnectionSlow(connection_id)
        value = json.loads(frame)
        assert isinstance(value["type"], str)
        assert isinstance(value["requestId"], str)
        self.frames[connection_id].append(value)
        if self.on_post:
            self.on_post(connection_id, value)

    def close(self, connection_id: str) -> None:
        self.closed.append(connection_id)
        self.gone.add(connection_id)

    def of(self, connection_id: str, request_id: str) -> "Received":
        """What one request of a connection has received."""
        return Received([f for f in self.frames[connection_id] if f["requestId"] == request_id])


class Received:
    """One request's frames, read as the official client reads them."""

    def __init__(self, frames: list[dict[str, Any]]) -> None:
        self.frames = frames
        self.parts: list[dict[str, Any]] = []
        for frame in frames:
            if frame["type"] != "chunk" or frame["sequence"] < len(self.parts):
                continue
            assert frame["sequence"] == len(self.parts), "a gap: the official client would throw"
            self.parts.append(frame["chunk"])

    @property
    def ends(self) -> int:
        """How many `end` frames came."""
        return sum(frame["type"] == "end" for frame in self.frames)

    @property
    def text(self) -> str:
        """The text that a reader sees at last."""
        return shown_text(self.parts)


def shown_text(parts: list[dict[str, Any]]) -> str:
    """The text of a message that is built from `parts`, with `reset-step` obeyed."""
    steps: list[list[str]] = [[]]
    for part in parts:
        if part["type"] == "start-step":
            steps.append([])
        elif part["type"] == "reset-step":
            steps[-1] = []
        elif part["type"] == "text-delta":
            steps[-1].append(part["delta"])
    return "".join(piece for step in steps for piece in step)
