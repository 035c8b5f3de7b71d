"""Reading what a request brings."""

from fastapi import Request

from shared.chat.requests import MAX_BODY_BYTES
from shared.kernel.errors import TooLarge


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The body, not read beyond `limit` bytes."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
    return body
