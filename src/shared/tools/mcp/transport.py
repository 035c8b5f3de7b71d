"""HTTP to one MCP server: to the addresses that were checked, to no other origin, and not more bytes than agreed.

Imported at the first call only: `httpx2` is heavy.
"""

from collections.abc import AsyncIterator

import httpx2

from shared.kernel.errors import ToolError
from shared.tools.mcp.servers import Reach

CONNECT_SECONDS = 5.0


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Sends every request to a pinned address. What goes wrong is kept in `failure`, because the layers above
    report it in their own words, or not at all."""

    def __init__(self, reach: Reach, max_bytes: int) -> None:
        self._reach = reach
        self._left = max_bytes
        context = reach.network.ssl_context() if reach.target.scheme == "https" else True
        self._inner = httpx2.AsyncHTTPTransport(verify=context, trust_env=False)
        self.failure: ToolError | None = None
        self.status = 0
        """Of the last answer that was a refusal, or 0."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it, to the first address that answers."""
        target = self._reach.target
        wanted = (request.url.scheme, request.url.host.strip("[]"), request.url.port or target.port)
        if wanted != (target.scheme, target.server_name, target.port):
            raise self._failed("The MCP server sends us elsewhere, which is not allowed.", "mcp_redirected")
        response = await self._send(request)
        if response.status_code >= 400:
            self.status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise self._failed("The MCP server compresses its answer, which was not asked for.", "mcp_bad_answer")
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Counted(stream, self),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    def count(self, received: int) -> None:
        """Note bytes that arrived; all answers of a call count together."""
        self._left -= received
        if self._left < 0:
            raise self._failed("The MCP server answers more than can be taken; ask for less.", "mcp_output_too_large")

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        target = self._reach.target
        for address in self._reach.addresses:
            pinned = httpx2.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,  # its Host header names the server, and so does the handshake:
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": target.server_name},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        message = "No connection to the MCP server could be made: it is down, or its certificate is not valid."
        raise self._failed(message, "mcp_unreachable")

    def _failed(self, message: str, code: str) -> httpx2.TransportError:
        self.failure = self.failure or ToolError(message, code=code)
        return httpx2.TransportError(message)


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, transport: PinnedTransport) -> None:
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._transport.count(len(piece))
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
