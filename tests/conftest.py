"""Fixtures for all rooms."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.support.deployed import deployed
from tests.support.region import Parley, build_parley


@pytest.fixture(autouse=True)
def _no_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test ever meets a real account."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def parley() -> Iterator[Parley]:
    """A deployment in moto."""
    with mock_aws():
        yield build_parley()


@pytest.fixture(scope="session")
def region() -> Iterator[dict[str, Any]]:
    """The deployed template with the demo model: what `make run` shows, described by its region.json."""
    with deployed("test-console") as stack:
        yield stack.description
