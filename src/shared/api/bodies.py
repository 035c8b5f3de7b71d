"""Reading what a request brings."""

from fastapi import Request

from shared.chat.requests import MAX_BODY_BYTES
from shared.kernel.errors import TooLarge


async def read_body(request: Request) -> bytes:
    """The body, not read beyond the limit."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return body
