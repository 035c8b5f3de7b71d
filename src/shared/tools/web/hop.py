"""One request and its answer, without redirects: no cookies, no proxy, and no headers but ours and the caller's.

Imported on the first fetch only: `httpcore` would cost every cold start.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import httpcore

from shared.kernel.errors import ToolError
from shared.tools.web.connection import PinnedBackend, too_large
from shared.tools.web.content_types import ContentType, parse_content_type, unsupported
from shared.tools.web.limits import FetchLimits
from shared.tools.web.network import Network
from shared.tools.web.url_rules import Target
from shared.tools.web.watch import Watch

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = (
    ("User-Agent", "Parley/1.0 (web_fetch)"),
    ("Accept", "text/html, application/xhtml+xml, text/*, application/json, application/xml;q=0.9, */*;q=0.1"),
    ("Accept-Language", "en, *;q=0.5"),
    ("Accept-Encoding", "gzip, identity;q=0.5"),
    ("Connection", "close"),
)


@dataclass(frozen=True)
class Outgoing:
    """What is sent; the caller answers for the headers, which are added to the fixed ones or replace them."""

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def lines(self, target: Target) -> list[tuple[str, str]]:
        """All headers."""
        own = {name.lower() for name in self.headers}
        fixed = [(name, value) for name, value in _HEADERS if name.lower() not in own]
        length = [("Content-Length", str(len(self.body)))] if self.body or self.method not in {"GET", "HEAD"} else []
        return [("Host", target.authority), *fixed, *self.headers.items(), *length]


@dataclass(frozen=True)
class Answer:
    """What the server said at the end of the redirects; `body` is decoded from its transfer form."""

    target: Target
    status: int
    content_type: ContentType
    body: bytes


@dataclass(frozen=True)
class Redirect:
    """Where the server sends us, unchecked."""

    location: str
    status: int


def request(
    target: Target, network: Network, watch: Watch, limits: FetchLimits, outgoing: Outgoing | None = None
) -> Answer | Redirect:
    """Fetch `target` from an address that is looked up and checked here, once."""
    backend = PinnedBackend(network.pin(target, watch, limits), network.connect, watch, limits)
    with watch.breaking(backend.line.cut), closing(backend.line):
        try:
            return _exchange(target, outgoing or Outgoing(), backend, network, watch, limits)
        except (httpcore.ProtocolError, httpcore.NetworkError, zlib.error) as error:
            watch.check()
            raise _broken() from error


def _exchange(
    target: Target, outgoing: Outgoing, backend: PinnedBackend, network: Network, watch: Watch, limits: FetchLimits
) -> Answer | Redirect:
    url = httpcore.URL(
        scheme=target.scheme.encode(),
        host=target.server_name.encode(),
        port=target.port,
        target=target.path.encode(),
    )
    context = network.ssl_context() if target.scheme == "https" else None
    with (
        httpcore.HTTPConnection(url.origin, ssl_context=context, network_backend=backend) as connection,
        connection.stream(
            outgoing.method, url, headers=outgoing.lines(target), content=outgoing.body or None
        ) as response,
    ):
        location = _header(response, b"location")
        if response.status in _REDIRECTS and location:
            return Redirect(location, response.status)
        return _read_answer(target, response, watch, limits)


def _read_answer(target: Target, response: httpcore.Response, watch: Watch, limits: FetchLimits) -> Answer:
    content_type = parse_content_type(_header(response, b"content-type"))
    if not content_type.is_text:
        if response.status < 400:
            raise unsupported(content_type)
        return Answer(target, response.status, content_type, b"")  # the status is the news, not its picture
    length = _header(response, b"content-length")
    if length.isdecimal() and int(length) > limits.encoded_bytes:
        raise too_large(limits)
    body = bytearray()
    for piece in _decoded(response.iter_stream(), _header(response, b"content-encoding"), limits):
        watch.check()
        body += piece
        if len(body) > limits.decoded_bytes:
            raise too_large(limits)
    return Answer(target, response.status, content_type, bytes(body))


def _decoded(pieces: Iterable[bytes], encoding: str, limits: FetchLimits) -> Iterator[bytes]:
    match encoding.strip().lower():
        case "" | "identity":
            yield from pieces
        case "gzip" | "x-gzip":
            yield from _gunzipped(pieces, limits)
        case _:
            raise ToolError("The server sends a compression that was not asked for.", code="unsupported_content")


def _gunzipped(pieces: Iterable[bytes], limits: FetchLimits) -> Iterator[bytes]:
    """Unpack, never more than the limit at once; what follows the first member is ignored, as browsers do."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    began = False
    for piece in pieces:
        began = began or bool(piece)
        yield unpacker.decompress(piece, limits.decoded_bytes + 1)
    if began and not unpacker.eof:
        raise _broken()


def _header(response: httpcore.Response, name: bytes) -> str:
    for key, value in response.headers:
        if key.lower() == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return value.decode("latin-1")
    return ""


def _broken() -> ToolError:
    return ToolError(
        "The server's answer is broken or incomplete; try again later or another page.", code="fetch_failed"
    )
