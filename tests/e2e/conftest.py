"""The deployed template, answered by the independent model server."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from local.demo_generator import DemoGenerator
from tests.support.api_client import ApiClient, api_client
from tests.support.deployed import Deployed, deployed
from tests.support.external_worker import ExternalWorker, external_worker
from tests.support.node import Place, model_server, require_node
from tests.support.serving import serving


@pytest.fixture(scope="session")
def warehouse() -> Iterator[ExternalWorker]:
    """A service that the deployment may hand work to."""
    with external_worker() as worker:
        yield worker


@pytest.fixture(scope="session")
def generator() -> Iterator[DemoGenerator]:
    """A service that the deployment has agents built by."""
    with DemoGenerator(("127.0.0.1", 0)) as server, serving(server):
        yield server


@pytest.fixture(scope="session")
def stack(warehouse: ExternalWorker, generator: DemoGenerator) -> Iterator[Deployed]:
    """The deployment."""
    require_node()
    outside = {
        "PARLEY_OPERATION_SERVICES": json.dumps([{"url": warehouse.url, "name": "warehouse"}]),
        "PARLEY_AGENT_GENERATOR_URL": generator.url,
    }
    with model_server() as url, deployed("test-e2e", f"{url}/v1", **outside) as stack:
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


@pytest.fixture
def demo(region: dict[str, Any]) -> Deployed:
    """The deployment with the demo model."""
    return Deployed(region)


@pytest.fixture
def ada(demo: Deployed) -> Iterator[ApiClient]:
    """Ada's HTTP client there."""
    with api_client(cast(Any, demo)) as client:
        yield client
