"""Fixtures for all rooms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from tests.support.deployed import deployed
from tests.support.mended_moto import mended_moto
from tests.support.region import Parley, build_parley
from tests.support.stand_in.web import StandInWeb, stand_in_web


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the deployment with the demo model are a suite of their own: `make test-demo`."""
    for item in items:
        if "region" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.demo)


@pytest.fixture(autouse=True)
def _no_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test ever meets a real account."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture(scope="session", autouse=True)
def _moto() -> Iterator[None]:
    """What is wrong with moto, or slow, is mended."""
    with mended_moto():
        yield


@pytest.fixture
def parley() -> Iterator[Parley]:
    """A deployment in moto."""
    with mock_aws():
        yield build_parley()


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandInWeb, Path]]:
    """What the region's functions find on the public web, and the folder that leads them there."""
    with stand_in_web(tmp_path_factory.mktemp("web")) as served:
        yield served


@pytest.fixture(scope="session")
def region(web: tuple[StandInWeb, Path]) -> Iterator[dict[str, Any]]:
    """The deployed template with the demo model: what `make run` shows, described by its region.json."""
    with deployed("test-console", PARLEY_FUNCTIONS_PATH=str(web[1])) as stack:
        yield stack.description
