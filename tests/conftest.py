"""Fixtures for all rooms."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

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
