"""What the tests of the tools share."""

from collections.abc import Iterator

import pytest

from tests.support.workspace import Desk, desks
from tests.unit.tools.loopback import Web, small_web


@pytest.fixture
def web() -> Iterator[Web]:
    """A web of one plain HTTP server."""
    with small_web() as made:
        yield made


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A workspace in moto."""
    yield from desks()
