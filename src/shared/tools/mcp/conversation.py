"""One conversation with an MCP server: connect, ask, hang up, within a time that is cut from outside.

Imported at the first call only: the `mcp` package and what it brings take longer to load than all of the worker.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation
from pydantic import ValidationError

from shared.kernel.errors import ToolError
from shared.tools.contract import Cancellation
from shared.tools.mcp.servers import Reach
from shared.tools.mcp.transport import CONNECT_SECONDS, PinnedTransport

MAX_RECEIVED_BYTES = 10_000_000
_MAX_MESSAGE_CHARACTERS = 2_000

for _name in ("mcp", "client", "httpx2"):
    # They log other people's payloads and URLs, which no log of ours may hold.
    logging.getLogger(_name).setLevel(logging.CRITICAL)

AnswerT = TypeVar("AnswerT")
Ask = Callable[[Client], Awaitable[AnswerT]]


def converse(reach: Reach, ask: Ask[AnswerT], seconds: float, cancellation: Cancellation) -> AnswerT:
    """Run `ask` on a connected client, in an event loop of its own; every failure is a `ToolError`."""
    transport = PinnedTransport(reach, MAX_RECEIVED_BYTES)
    try:
        return _run(_talk(reach, transport, ask, seconds), cancellation)
    except asyncio.CancelledError as error:
        raise ToolError("The call was cancelled.", code="cancelled") from error
    except (ExceptionGroup, TimeoutError, MCPError, httpx2.HTTPError, ValidationError, RuntimeError) as error:
        if cancellation.cancelled:
            raise ToolError("The call was cancelled.", code="cancelled") from error
        raise transport.failure or _told(error, transport.status, seconds) from error


async def _talk(reach: Reach, transport: PinnedTransport, ask: Ask[AnswerT], seconds: float) -> AnswerT:
    headers = {**reach.headers, "Accept-Encoding": "identity", "User-Agent": "Parley/1.0 (run_mcp_tool)"}
    timeout = httpx2.Timeout(CONNECT_SECONDS, read=seconds, write=seconds)
    async with (
        asyncio.timeout(seconds),
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout, trust_env=False) as http,
        Client(
            streamable_http_client(reach.target.url, http_client=http),
            client_info=Implementation(name="parley", version="1.0"),
            cache=None,
        ) as client,
    ):
        return await ask(client)


def _run(talk: Coroutine[Any, Any, AnswerT], cancellation: Cancellation) -> AnswerT:
    async def watched() -> AnswerT:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            with suppress(RuntimeError):  # the loop is closed: it is over anyway
                loop.call_soon_threadsafe(task.cancel)

        cancellation.on_cancel(cancel)
        return await talk

    return asyncio.run(watched())


def _told(error: Exception, status: int, seconds: float) -> ToolError:
    """The most telling of what went wrong, in words for the model."""
    causes = list(_leaves(error))
    if any(isinstance(cause, TimeoutError | httpx2.TimeoutException) for cause in causes):
        return ToolError(f"The MCP server did not answer within {seconds:g} s.", code="mcp_timed_out")
    if status in {401, 403}:
        return ToolError("The MCP server refuses the deployment's credentials.", code="mcp_unauthorized")
    if status >= 500:
        return ToolError(f"The MCP server failed with status {status}.", code="mcp_server_failed")
    said = next((cause for cause in causes if isinstance(cause, MCPError)), None)
    if said is not None:
        message = said.message[:_MAX_MESSAGE_CHARACTERS]
        return ToolError(f"The MCP server answers with error {said.code}: {message}", code="mcp_error")
    if any(isinstance(cause, httpx2.NetworkError | httpx2.ProtocolError) for cause in causes):
        return ToolError("The connection to the MCP server broke.", code="mcp_unreachable")
    return ToolError("The MCP server's answer doesn't follow the protocol.", code="mcp_bad_answer")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
