"""Identifiers: unguessable, URL-safe, and sortable by time where order matters."""

import hashlib
import secrets
from typing import Protocol

from shared.kernel.clock import Clock, to_millis

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Ids(Protocol):
    """Where new ids come from."""

    def new(self) -> str:
        """An id that sorts by its time of birth (a ULID, https://github.com/ulid/spec)."""

    def secret(self) -> str:
        """32 random bytes as URL-safe text, for tickets and tokens."""


class RandomIds:
    """ULIDs and secrets from the system's randomness."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new(self) -> str:
        """48 bits of milliseconds, then 80 random bits, in Crockford's base 32."""
        return _encoded((to_millis(self._clock.now()) << 80) | secrets.randbits(80))

    def secret(self) -> str:
        """32 random bytes as URL-safe text."""
        return secrets.token_urlsafe(32)


def derived_id(*parts: str) -> str:
    """Always the same id for the same parts, and another for others; it doesn't sort by time."""
    return _encoded(_number_of(parts) >> 6)


def dated_id(millis: int, *parts: str) -> str:
    """The same for the same time and parts; it sorts by its time as those of `Ids.new` do."""
    return _encoded((millis << 80) | (_number_of(parts) >> 56))


def digest(secret: str) -> str:
    """What is stored in place of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def stable_number(text: str, buckets: int) -> int:
    """The same number below `buckets` for the same text, in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % buckets


def _number_of(parts: tuple[str, ...]) -> int:
    """136 bits."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:17], "big")


def _encoded(value: int) -> str:
    """130 bits in Crockford's base 32."""
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))
