"""Which URLs may be fetched, and how they are read."""

import pytest

from shared.kernel.errors import ToolError
from shared.tools.web.url_rules import join_redirect, parse_target

NOT_ALLOWED = {
    "file": "file://host/etc/passwd",
    "ftp": "ftp://example.com/",
    "gopher": "gopher://example.com/",
    "user name": "http://user@example.com/",
    "user name and password": "http://user:secret@example.com/",
    "host disguised as user": "http://example.com@127.0.0.1/",
    "empty user": "http://@example.com/",
    "localhost": "http://localhost/",
    "localhost in capitals": "http://LOCALHOST/",
    "below localhost": "http://app.localhost/",
    "internal zone": "http://metadata.google.internal/",
    "mDNS name": "http://printer.local/",
    "trailing dot": "http://example.com./",
    "localhost with dot": "http://localhost./",
    "IPv4 with dot": "http://127.0.0.1./",
    "IPv4 decimal": "http://2130706433/",
    "IPv4 hexadecimal": "http://0x7f000001/",
    "IPv4 hexadecimal parts": "http://0x7f.0x0.0x0.0x1/",
    "IPv4 hexadecimal capitals": "http://0X7F.0.0.1/",
    "IPv4 octal": "http://0177.0.0.1/",
    "IPv4 octal whole": "http://017700000001/",
    "IPv4 short": "http://127.1/",
    "IPv4 shorter": "http://0/",
    "IPv4 three parts": "http://127.0.1/",
    "IPv4 too many parts": "http://127.0.0.1.1/",
    "IPv4 leading zeros": "http://127.000.000.001/",
    "IPv4 overflow": "http://256.256.256.256/",
    "IPv4 last part hexadecimal": "http://example.0x1/",
    "bare 0x": "http://127.0.0.0x/",
    "full-width digits": "http://\uff11\uff12\uff17.0.0.1/",
    "full-width dots": "http://127。0。0。1/",
    "circled letters": "http://ⓔxample.com/",
    "soft hyphen": "http://exam\u00adple.com/",
    "circled localhost": "http://ⓛocalhost/",
    "IPv6 zone": "http://[fe80::1%25eth0]/",
    "ssh port": "http://example.com:22/",
    "Lambda runtime port": "http://example.com:9001/",
    "mail port": "https://example.com:25/",
    "port zero": "http://example.com:0/",
}

INVALID = {
    "empty": "   ",
    "no scheme": "example.com/page",
    "scheme only": "http://",
    "no slashes": "http:example.com",
    "no host": "http:///page",
    "no host, port": "http://:80/",
    "single label": "http://intranet/",
    "backslash": "http://example.com\\@127.0.0.1/",
    "new line": "http://example.com/\nHost: x",
    "tab in the host": "http://exa\tmple.com/",
    "null": "http://example.com/\x00",
    "space in the host": "http://exam ple.com/",
    "percent in the host": "http://%6cocalhost.com/",
    "two ports": "http://example.com:80:80/",
    "port too long": "http://example.com:000080/",
    "port not a number": "http://example.com:http/",
    "port in other digits": "http://example.com:٨٠/",
    "empty label": "http://example..com/",
    "leading dot": "http://.example.com/",
    "label too long": f"http://{'a' * 64}.com/",
    "name too long": f"http://{'a.' * 130}com/",
    "unclosed bracket": "http://[::1/",
    "not IPv6": "http://[example.com]/",
    "IPv4 in brackets": "http://[127.0.0.1]/",
    "text before bracket": "http://a[::1]/",
    "text after bracket": "http://[::1]a/",
    "too long": "http://example.com/" + "a" * 2048,
    "too long once encoded": "http://example.com/" + "é" * 1000,
    "bad punycode": "http://é" + "a" * 80 + ".com/",
}

READ = {
    "HTTP://EXAMPLE.COM": "http://example.com/",
    "https://example.com:443/a?b=c#d": "https://example.com/a?b=c",
    "http://example.com:/": "http://example.com/",
    "https://example.com:80/": "https://example.com:80/",
    "http://example.com:8080/": "http://example.com:8080/",
    "https://example.com:8443/x": "https://example.com:8443/x",
    "  https://example.com/a b?c=d e\n": "https://example.com/a%20b?c=d%20e",
    "https://example.com/é/%2F?q=ü": "https://example.com/%C3%A9/%2F?q=%C3%BC",
    "https://example.com?q=1": "https://example.com/?q=1",
    "https://a_b.example.com/": "https://a_b.example.com/",
    "https://Bücher.example/": "https://xn--bcher-kva.example/",
    "https://faß.de/": "https://xn--fa-hia.de/",
    "http://93.184.216.34/": "http://93.184.216.34/",
    "http://[2606:4700:0:0::1111]:8080/": "http://[2606:4700::1111]:8080/",
    "http://0x7f.example.com/": "http://0x7f.example.com/",
    "http://1.2.3.4.example.com/": "http://1.2.3.4.example.com/",
}


@pytest.mark.parametrize("url", NOT_ALLOWED.values(), ids=NOT_ALLOWED.keys())
def test_not_allowed(url: str) -> None:
    """URLs that reach for something else than a public web page are refused as such."""
    with pytest.raises(ToolError) as refused:
        parse_target(url)
    assert refused.value.code == "url_not_allowed"


@pytest.mark.parametrize("url", INVALID.values(), ids=INVALID.keys())
def test_invalid(url: str) -> None:
    """What different programs would read differently is not a URL here."""
    with pytest.raises(ToolError) as refused:
        parse_target(url)
    assert refused.value.code == "url_invalid"


@pytest.mark.parametrize(("written", "normal"), READ.items())
def test_normal_form(written: str, normal: str) -> None:
    """A good URL is brought into one form, which is read as the same."""
    assert parse_target(written).url == normal
    assert parse_target(normal).url == normal


def test_certificate_name_of_an_ipv6_literal() -> None:
    """The certificate is asked for the address without brackets."""
    assert parse_target("https://[2606:4700::1111]/").server_name == "2606:4700::1111"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "https://example.com/b"),
        ("b?c", "https://example.com/a/b?c"),
        ("//other.example/x", "https://other.example/x"),
        ("http://other.example/", "http://other.example/"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_redirects_are_relative_to_the_page(location: str, url: str) -> None:
    """A redirect may be relative; it is not judged before it is whole."""
    assert join_redirect(parse_target("https://example.com/a/"), location) == url


def test_redirect_that_is_no_url() -> None:
    """A redirect that cannot be joined is told as an invalid URL."""
    with pytest.raises(ToolError) as refused:
        join_redirect(parse_target("https://example.com/"), "http://[::1")
    assert refused.value.code == "url_invalid"
