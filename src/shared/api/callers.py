"""What routes ask about their caller beyond the token."""

from ipaddress import IPv6Address, ip_address, ip_network

from fastapi import Request

from shared.accounts.users import User
from shared.kernel.errors import Forbidden
from shared.kernel.ids import digest

_IPV6_SUBSCRIBER_BITS = 64


def not_a_guest(user: User) -> None:
    """Let only those pass who have signed in.

    Raises:
        Forbidden: the caller is a guest.
    """
    if user.is_guest:
        raise Forbidden("Sign in for this; guests have no account.", code="login_required")


def source_network(request: Request) -> str:
    """A mark of where the request comes from: the address that API Gateway saw, never one that a header claims.

    An IPv6 subscriber has a whole /64 and counts as one. The address itself is not stored.
    """
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return digest("unknown")
    if isinstance(address, IPv6Address):
        return digest(str(ip_network((address, _IPV6_SUBSCRIBER_BITS), strict=False)))
    return digest(str(address))
