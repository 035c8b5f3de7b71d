"""What the tests of agents share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from shared.tools.web.network import Network
from tests.support.authority import Authority
from tests.support.blocks import Bench
from tests.support.credentials import BEARER, SIGNING, open_safe
from tests.support.workspace import Desk, desks
from tests.unit.tools.loopback import Web, small_web


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A workspace in moto."""
    yield from desks()


@dataclass
class SecureWeb(Web):
    """A web whose certificates are trusted."""

    authority: Authority | None = None

    def network(self, ssl_context: object = None) -> Network:
        assert self.authority is not None
        return super().network(self.authority.trusted())


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """One HTTPS server for all of example.com."""
    authority = Authority()
    with small_web(authority.serving(tmp_path, x509.DNSName("*.example.com"), x509.DNSName("other.org"))) as made:
        yield SecureWeb(made.server, authority=authority)


@pytest.fixture
def bench(desk: Desk, web: Web) -> Bench:
    """A world in which blocks run, whose user has connected two accounts."""
    made = Bench(desk, web)
    made.safe = open_safe(desk.database, made.clock)
    for given in (BEARER, SIGNING):
        made.safe.connect(given)
    return made
