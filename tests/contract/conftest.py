"""A running Parley for the contract tests, with the independent model server, or with nobody at work."""

from collections.abc import Iterator

import pytest

from tests.support.api_client import ApiClient, api_client
from tests.support.node import Place, model_server, require_node
from tests.support.server import LiveParley, running_parley


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    """The independent model server."""
    require_node()
    with model_server() as url:
        yield url


# Module by module, not for the session: moto has one backend in a process, which other tests use, too.


@pytest.fixture(scope="module")
def live(model_url: str) -> Iterator[LiveParley]:
    """A deployment whose turns are answered by the independent model server."""
    with running_parley(model_url) as parley:
        yield parley


@pytest.fixture(scope="module")
def idle() -> Iterator[LiveParley]:
    """A deployment whose workers take no messages: turns stay queued."""
    with running_parley("http://127.0.0.1:9") as parley:
        parley.workers.pause()
        yield parley


@pytest.fixture
def place(live: LiveParley) -> Place:
    """Where the official clients find it."""
    return Place(live.http.url, live.sockets.url)


@pytest.fixture
def api(live: LiveParley) -> Iterator[ApiClient]:
    """Ada's HTTP client of the live deployment."""
    with api_client(live) as client:
        yield client


@pytest.fixture
def idle_api(idle: LiveParley) -> Iterator[ApiClient]:
    """Ada's HTTP client of the idle deployment."""
    with api_client(idle) as client:
        yield client
