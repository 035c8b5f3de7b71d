"""The outside world as the fetch sees it: names, sockets and certificates, each replaceable."""

import functools
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from shared.kernel.errors import ToolError
from shared.tools.web.address_rules import IPAddress, is_public_address
from shared.tools.web.limits import FetchLimits
from shared.tools.web.url_rules import WEB_PORTS, Target, not_allowed, parse_target
from shared.tools.web.watch import Watch

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port to addresses, `OSError` if there are none."""
Connect = Callable[[socket.socket, tuple[str, int]], None]
"""Connects the socket to the address and port, within the socket's timeout."""


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_socket(sock: socket.socket, address: tuple[str, int]) -> None:
    """Open the TCP connection."""
    sock.connect(address)


@functools.cache
def public_certificates() -> ssl.SSLContext:
    """Trust the public authorities that certifi lists, whatever the environment says."""
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


@dataclass(frozen=True)
class Network:
    """How to reach the web, and which part of it."""

    resolve: Resolve = resolve_host
    connect: Connect = connect_socket
    is_allowed: Callable[[IPAddress], bool] = is_public_address
    ssl_context: Callable[[], ssl.SSLContext] = public_certificates
    ports: frozenset[int] = WEB_PORTS

    def read_url(self, url: str) -> Target:
        """Take `url` apart, if it may be fetched as far as its text tells."""
        return parse_target(url, self.ports)

    def pin(self, target: Target, watch: Watch, limits: FetchLimits) -> list[IPAddress]:
        """The addresses of the target's host, asked for once; refused if any of them is not public."""
        if target.literal is not None:
            addresses: list[IPAddress] = [target.literal]
        else:
            found = _ask(lambda: self.resolve(target.server_name, target.port), watch, limits.resolve_seconds)
            addresses = [ip_address(text) for text in found]
        if not addresses:
            raise _unknown_host()
        if not all(self.is_allowed(address) for address in addresses):
            raise not_allowed("The host is not on the public internet; only public web sites can be fetched.")
        return addresses[: limits.addresses]


def _ask(question: Callable[[], Sequence[str]], watch: Watch, seconds: float) -> Sequence[str]:
    """Run a look-up, which nothing can interrupt, in a thread that may be left behind."""
    answers: list[Sequence[str]] = []
    ended = threading.Event()

    def look_up() -> None:
        try:
            answers.append(question())
        except (OSError, UnicodeError):
            answers.append(())
        finally:
            ended.set()

    limit = watch.remaining(seconds)
    threading.Thread(target=look_up, name="web-fetch-resolve", daemon=True).start()
    with watch.breaking(ended.set):
        in_time = ended.wait(limit)
    watch.check()
    if not in_time:
        raise ToolError("The name of the host took too long to look up; try again later.", code="timed_out")
    if not answers:
        raise _unknown_host()
    return answers[0]


def _unknown_host() -> ToolError:
    return ToolError("The host does not exist or has no address; check its spelling.", code="host_not_found")
