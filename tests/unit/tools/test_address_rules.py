"""Which addresses count as public."""

from ipaddress import ip_address

import pytest

from shared.tools.web.address_rules import is_public_address

REFUSED = {
    "unspecified": "0.0.0.0",  # noqa: S104 - nothing listens there
    "this network": "0.1.2.3",
    "private 10": "10.0.0.1",
    "carrier-grade NAT, first": "100.64.0.0",
    "carrier-grade NAT, last": "100.127.255.255",
    "loopback": "127.0.0.1",
    "loopback, another": "127.8.8.8",
    "metadata": "169.254.169.254",
    "container credentials": "169.254.170.2",
    "private 172, first": "172.16.0.1",
    "private 172, last": "172.31.255.255",
    "protocol assignments": "192.0.0.8",
    "documentation 1": "192.0.2.1",
    "6to4 relay": "192.88.99.1",
    "private 192": "192.168.1.1",
    "benchmarks": "198.19.255.255",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "multicast": "224.0.0.251",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "v6 unspecified": "::",
    "v6 loopback": "::1",
    "v6 link-local": "fe80::1",
    "v6 link-local with zone": "fe80::1%eth0",
    "v6 public with zone": "2606:4700::1111%eth0",
    "v6 unique local": "fd00:ec2::254",
    "v6 unique local, lower half": "fc00::1",
    "v6 site-local": "fec0::1",
    "v6 multicast": "ff02::1",
    "v6 discard": "100::1",
    "v6 documentation": "2001:db8::1",
    "v6 documentation, new": "3fff::1",
    "v6 benchmarks": "2001:2::1",
    "v6 ORCHID": "2001:20::1",
    "v6 6bone": "3ffe::1",
    "v6 segment routing": "5f00::1",
    "v6 unassigned": "4000::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
    "compatible loopback": "::127.0.0.1",
    "compatible public": "::8.8.8.8",
    "translated private": "::ffff:0:10.0.0.1",
    "NAT64 private": "64:ff9b::10.0.0.1",
    "NAT64 metadata": "64:ff9b::a9fe:a9fe",
    "NAT64 local use": "64:ff9b:1::8.8.8.8",
    "6to4 private": "2002:0a00:0001::1",
    "6to4 public": "2002:0808:0808::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "ISATAP private": "2606:4700::5efe:10.0.0.1",
    "ISATAP private, global bit": "2606:4700::200:5efe:192.168.0.1",
    "ISATAP link-local": "fe80::5efe:8.8.8.8",
}

PUBLIC = {
    "ordinary": "93.184.216.34",
    "before private 10": "9.255.255.255",
    "before carrier-grade NAT": "100.63.255.255",
    "after carrier-grade NAT": "100.128.0.0",
    "after private 172": "172.32.0.1",
    "after link-local": "169.255.0.1",
    "after benchmarks": "198.20.0.0",
    "last unicast": "223.255.255.255",
    "v6": "2606:4700:4700::1111",
    "v6 after the protocol assignments": "2001:200::1",
    "mapped public": "::ffff:8.8.8.8",
    "NAT64 public": "64:ff9b::8.8.8.8",
    "ISATAP public": "2606:4700::5efe:8.8.8.8",
}


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED.keys())
def test_refused(address: str) -> None:
    """An address that is not a unicast address of the public internet is refused, in disguise too."""
    assert not is_public_address(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC.values(), ids=PUBLIC.keys())
def test_public(address: str) -> None:
    """Public addresses are let through, right up to the edges of the refused ranges."""
    assert is_public_address(ip_address(address))
