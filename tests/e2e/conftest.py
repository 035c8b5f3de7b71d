"""The deployed template, answered by the independent model server."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.support.api_client import ApiClient, api_client
from tests.support.deployed import Deployed, deployed
from tests.support.node import Place, model_server, require_node


@pytest.fixture(scope="session")
def stack() -> Iterator[Deployed]:
    """The deployment."""
    require_node()
    with model_server() as url, deployed("test-e2e", f"{url}/v1") as stack:
        yield stack


@pytest.fixture
def place(stack: Deployed) -> Place:
    """Where the official clients find it."""
    return Place(stack.http.url, stack.sockets.url)


@pytest.fixture
def api(stack: Deployed) -> Iterator[ApiClient]:
    """Ada's HTTP client."""
    with api_client(cast(Any, stack)) as client:
        yield client
