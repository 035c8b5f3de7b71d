"""Which addresses belong to the public internet.

The tables are written out, because `ipaddress.is_global` changes its mind between Python versions.
Sources: the IANA IPv4 and IPv6 special-purpose address registries, RFC 6052 (NAT64), RFC 5214 (ISATAP).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address

_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # "this network", and the unspecified address
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback; Lambda's runtime API listens here
        "169.254.0.0/16",  # link-local; metadata and credentials of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

_GLOBAL_V6 = IPv6Network("2000::/3")  # everything else is local, multicast, reserved or a disguise
_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address in disguise
        "3ffe::/16",  # the 6bone, given back
        "3fff::/20",  # documentation
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP_MARK = 0x0000_5EFE
_ISATAP_MASK = 0xFCFF_FFFF  # the universal/local and group bits of the interface id may be set


def is_public_address(address: IPAddress) -> bool:
    """Whether `address` is a unicast address of the public internet, also after unwrapping.

    Of the IPv6 forms that carry an IPv4 address, mapped, NAT64 (64:ff9b::/96, what DNS64 answers) and
    ISATAP ones are judged by the IPv4 address; 6to4, Teredo, compatible, translated and the local-use
    NAT64 prefix 64:ff9b:1::/48 are refused whole, for no public site is reached that way.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return is_public_address(address.ipv4_mapped)
    low = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64:
        return is_public_address(low)
    if address not in _GLOBAL_V6 or any(address in network for network in _REFUSED_V6):
        return False
    is_isatap = (int(address) >> 32) & _ISATAP_MASK == _ISATAP_MARK
    return not is_isatap or is_public_address(low)
