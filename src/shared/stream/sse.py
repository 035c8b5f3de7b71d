"""Parts as server-sent events. An HTTP API can't stream, so an answer is a bounded segment."""

from collections.abc import Sequence

from shared.stream.parts import Part, encode

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "connection": "keep-alive",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",
}
RETRY_MILLISECONDS = 250
"""How soon an EventSource asks for the next segment; left to itself it rests for seconds."""

MAX_SEGMENT_BYTES = 4_000_000
"""Lambda answers 6 MB at most; the rest of a longer stream is fetched from its cursor."""


def segment(parts: Sequence[Part], first_seq: int | None = None, *, done: bool) -> str:
    """The events of `parts`; `id:` lines carry their seq where `first_seq` is given."""
    lines = [f": stream-open\nretry: {RETRY_MILLISECONDS}\n\n"]
    size = 0
    for offset, part in enumerate(parts):
        event = f"data: {encode(part)}\n\n"
        if first_seq is not None:
            event = f"id: {first_seq + offset}\n{event}"
        size += len(event.encode())
        if size > MAX_SEGMENT_BYTES:
            done = False
            break
        lines.append(event)
    if done:
        lines.append("data: [DONE]\n\n")
    return "".join(lines)
