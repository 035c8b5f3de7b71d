"""A real MCP server on the loopback interface, from the official package."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.transport_security import TransportSecuritySettings

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Any]


@dataclass
class Kitchen:
    """A server with some tools; what reached it is kept."""

    headers: list[dict[str, str]] = field(default_factory=list)
    cooked: list[str] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    """A slow call has begun."""

    def app(self, *, stateless: bool = False, tools: int = 0) -> App:
        """The ASGI application."""
        server = MCPServer("kitchen")
        self._add_tools(server)
        for number in range(tools):
            server.add_tool(lambda: "x", name=f"tool_{number:03}", description="d" * 3_000)
        open_to_all = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        inner = server.streamable_http_app(stateless_http=stateless, transport_security=open_to_all)

        async def noting(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
            await inner(scope, receive, send)

        return noting

    def _add_tools(self, server: MCPServer) -> None:
        @server.tool()
        def cook(dish: str, servings: int = 1) -> str:
            """Cook a dish."""
            self.cooked.append(dish)
            return f"{servings} x {dish}"

        @server.tool()
        def burn(dish: str) -> str:
            """Always fails."""
            raise RuntimeError(f"{dish} is burnt")

        @server.tool()
        async def simmer(seconds: float) -> str:
            """Takes its time."""
            self.entered.set()
            await asyncio.sleep(seconds)
            return "done"

        @server.tool()
        def recipe(characters: int) -> str:
            """Long texts."""
            return "r" * characters

        @server.tool()
        def photo() -> Image:
            """A picture."""
            return Image(data=b"\x89PNG....", format="png")


@contextmanager
def serving(app: App, tls: Path | None = None) -> Iterator[int]:
    """Serve it until the end of the block; at which port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="auto",
        ssl_certfile=tls,
        ssl_keyfile=tls,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
        assert not thread.is_alive()


def answering(status: int, body: bytes = b"", *headers: tuple[str, str]) -> App:
    """A server that answers everything in the same way."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError  # this server has none
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return app
