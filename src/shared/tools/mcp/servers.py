"""Which MCP servers there are, and how each may be reached."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from shared.kernel.errors import ConfigError, ParleyError, ToolError
from shared.kernel.settings import McpServer
from shared.tools.web.address_rules import IPAddress
from shared.tools.web.limits import FetchLimits
from shared.tools.web.network import Network
from shared.tools.web.url_rules import DEFAULT_PORTS, Target
from shared.tools.web.watch import Watch

MAX_ALLOWED = 20


@dataclass(frozen=True)
class Reach:
    """A server whose addresses were looked up and checked; only these are connected to."""

    target: Target
    addresses: Sequence[IPAddress]
    headers: Mapping[str, str]
    network: Network


class McpServers:
    """The allow list. The model picks an entry; no URL of its own making is ever opened."""

    def __init__(
        self, servers: Sequence[McpServer], read_secret: Callable[[str], str], network: Network | None = None
    ) -> None:
        if len(servers) > MAX_ALLOWED:
            raise ConfigError(f"MCP_SERVERS lists more than {MAX_ALLOWED} servers")
        self._servers = tuple(servers)
        self._read_secret = read_secret
        self._network = network or Network()
        for server in servers:
            self._target(server)  # a list that can't work is refused at start

    def __bool__(self) -> bool:
        return bool(self._servers)

    def told(self) -> str:
        """The list, for the model."""
        return ", ".join(f"{server.name} ({server.url})" for server in self._servers)

    def find(self, wanted: str) -> McpServer:
        """The entry with that URL or name."""
        wanted = wanted.strip().rstrip("/")
        for server in self._servers:
            if wanted in {server.url.rstrip("/"), server.name}:
                return server
        raise ToolError(
            f"This MCP server is not allowed here. Allowed are: {self.told()}.", code="mcp_server_not_allowed"
        )

    def reach(self, server: McpServer, watch: Watch) -> Reach:
        """Look the server up, once, and read what proves who we are."""
        target, network = self._target(server)
        addresses = network.pin(target, watch, FetchLimits())
        return Reach(target, addresses, self._headers(server), network)

    def _target(self, server: McpServer) -> tuple[Target, Network]:
        """A listed server may use any port, and a loopback address if the list spells it out."""
        try:
            parts = urlsplit(server.url)
            port = parts.port or DEFAULT_PORTS[parts.scheme]
            network = replace(self._network, ports=frozenset({port}))
            target = network.read_url(server.url)
        except (ParleyError, ValueError, KeyError) as error:
            raise ConfigError(f"MCP_SERVERS: the URL of {server.name} can't be used: {error}") from error
        if target.literal is not None and target.literal.is_loopback:
            network = replace(network, is_allowed=lambda address: address.is_loopback)
        elif target.scheme != "https" and server.headers_parameter:
            raise ConfigError(f"MCP_SERVERS: {server.name} would get its secret headers over plain http")
        return target, network

    def _headers(self, server: McpServer) -> Mapping[str, str]:
        if not server.headers_parameter:
            return {}
        try:
            headers = json.loads(self._read_secret(server.headers_parameter))
        except (ConfigError, ValueError) as error:
            raise _misconfigured() from error
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise _misconfigured()
        return headers


def _misconfigured() -> ToolError:
    return ToolError(
        "The deployment's secret headers for this MCP server can't be read; tell the user that its operator must "
        "put them as a JSON object.",
        code="mcp_misconfigured",
    )
