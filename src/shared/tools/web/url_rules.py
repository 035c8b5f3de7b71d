"""Which URLs may be fetched, and the one reading of each that is then used.

A URL is taken apart here once; nothing later parses it again, so no two parsers can disagree about the host.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote, urljoin, urlsplit

from shared.kernel.errors import ToolError
from shared.tools.web.address_rules import IPAddress

MAX_URL_CHARACTERS = 2_048
DEFAULT_PORTS = {"http": 80, "https": 443}
WEB_PORTS = frozenset({80, 443, 8080, 8443})
"""Where public web sites listen; other ports are other protocols, and scanning them is none of a tool's business."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]@]*\]|[^\[\]:@]+)(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa")
_KEPT_IN_PATH = "/%:@!$&'()*+,;=~"
_KEPT_IN_QUERY = _KEPT_IN_PATH + "?[]|{}^`"


@dataclass(frozen=True)
class Target:
    """One address on the web, in its normal form."""

    scheme: str
    server_name: str
    """Lower-case ASCII, IPv6 without brackets: what the certificate must name."""
    port: int
    path: str
    """Path and query, percent-encoded."""
    literal: IPAddress | None
    """The address, when the URL has one in place of a name."""

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port: the `Host` header."""
        host = f"[{self.server_name}]" if isinstance(self.literal, IPv6Address) else self.server_name
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole, without a fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"


def invalid(message: str) -> ToolError:
    """The text is not a URL that could be fetched."""
    return ToolError(message, code="url_invalid")


def not_allowed(message: str) -> ToolError:
    """The URL is one, and the rules forbid it."""
    return ToolError(message, code="url_not_allowed")


def parse_target(url: str, allowed_ports: frozenset[int] = WEB_PORTS) -> Target:
    """Read `url` strictly; `ToolError` `url_invalid` or `url_not_allowed` says what is wrong with it."""
    url = url.strip(" \t\r\n")
    if len(url) > MAX_URL_CHARACTERS:
        raise invalid(f"The URL is longer than {MAX_URL_CHARACTERS} characters.")
    if _FORBIDDEN.search(url):
        raise invalid("The URL contains a control character or a backslash; write it with forward slashes only.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise invalid("The URL cannot be read; give a full one such as https://example.com/page.") from None
    if not parts.scheme or not parts.netloc:
        raise invalid("The URL is not complete; give a full one such as https://example.com/page.")
    if parts.scheme not in DEFAULT_PORTS:
        raise not_allowed("Only http and https URLs can be fetched.")
    host, port = _read_authority(parts.netloc)
    server_name, literal = _read_host(host)
    path = quote(parts.path, safe=_KEPT_IN_PATH) or "/"
    if parts.query:
        path += "?" + quote(parts.query, safe=_KEPT_IN_QUERY)
    port = DEFAULT_PORTS[parts.scheme] if port is None else port
    if port not in allowed_ports:
        raise not_allowed(f"Port {port} cannot be fetched; allowed are {', '.join(map(str, sorted(allowed_ports)))}.")
    target = Target(parts.scheme, server_name, port, path, literal)
    if len(target.url) > MAX_URL_CHARACTERS:  # percent-encoding makes it longer
        raise invalid(f"The URL is longer than {MAX_URL_CHARACTERS} characters once encoded.")
    return target


def join_redirect(target: Target, location: str) -> str:
    """The URL that `location`, which may be relative, means on the page `target`."""
    try:
        return urljoin(target.url, location.strip())
    except ValueError:
        raise invalid("The page redirects to something that is not a URL.") from None


def _read_authority(netloc: str) -> tuple[str, int | None]:
    if "@" in netloc:
        raise not_allowed("The URL contains a user name or password; give it without.")
    match = _AUTHORITY.fullmatch(netloc)
    if match is None:
        raise invalid("The host or port of the URL cannot be read.")
    return match["host"], int(match["port"]) if match["port"] else None


def _read_host(written: str) -> tuple[str, IPAddress | None]:
    if written.startswith("["):
        return _read_ipv6(written[1:-1])
    host = written.lower() if written.isascii() else _to_ascii(written)
    if host.endswith("."):
        raise not_allowed("The host ends in a dot; give it without.")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _read_ipv4(host)
    if host == "localhost" or host.endswith(_LOCAL_SUFFIXES):
        raise not_allowed("The host is a local name; only public web sites can be fetched.")
    if not _NAME.fullmatch(host):
        raise invalid("The host of the URL is not a full domain name such as example.com.")
    return host, None


def _read_ipv4(host: str) -> tuple[str, IPAddress]:
    try:
        address = IPv4Address(host)
    except AddressValueError:  # decimal, octal, hexadecimal or shortened: programs disagree about what it means
        raise not_allowed("The host is an unusual spelling of an IPv4 address; write four decimal numbers.") from None
    return str(address), address


def _read_ipv6(host: str) -> tuple[str, IPAddress]:
    try:
        address = IPv6Address(host)
    except AddressValueError:
        raise invalid("The IPv6 address in the URL cannot be read.") from None
    if address.scope_id is not None:
        raise not_allowed("An IPv6 address with a zone is local; only public web sites can be fetched.")
    return str(address), address


def _to_ascii(host: str) -> str:
    import idna  # tables of some size, for the few hosts that need them

    try:
        encoded = idna.encode(host, uts46=True, transitional=False).decode("ascii")
    except idna.IDNAError:
        raise invalid("The international host name in the URL is not valid.") from None
    if not any(label.startswith("xn--") for label in encoded.split(".")):
        raise not_allowed("The host is spelled with look-alike characters; write it in plain letters.")
    return encoded
