"""What one fetch may use up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FetchLimits:
    """Ceilings of one fetch, all redirects included, unless a line says otherwise."""

    total_seconds: float = 30.0
    resolve_seconds: float = 10.0
    connect_seconds: float = 5.0
    """For one address; a host may have several."""
    read_seconds: float = 10.0
    """Silence of the server, not the whole answer."""
    redirects: int = 5
    addresses: int = 4
    """How many addresses of a host are tried."""
    encoded_bytes: int = 2_000_000
    """Bytes of one answer on the wire, headers included."""
    decoded_bytes: int = 4_000_000
    characters: int = 40_000
    content_bytes: int = 54_000
    """The content as a JSON string in UTF-8; with the other fields the answer stays below 60,000 bytes."""
