"""What the tests of schedules share."""

import time
from functools import cache
from pathlib import Path

import jwt
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from shared.accounts.identity import Identity
from shared.api.application import build_application
from shared.kernel.settings import IdentitySettings
from tests.support.region import Parley
from tests.support.runs import Agents
from tests.support.schedules import Client, Planner

SECRET = "a-secret-of-at-least-thirty-two-bytes!"


@pytest.fixture
def planner(parley: Parley) -> Planner:
    """A deployment with schedules."""
    return Planner(parley, Agents(parley))


@pytest.fixture
def client(parley: Parley, tmp_path: Path) -> Client:
    """A client for a user of the deployment, which is put together when one is asked for first."""
    identity = Identity(
        IdentitySettings(jwt_secret_parameter="/jwt", guests_enabled=True), lambda: SECRET, parley.clock
    )

    @cache
    def app() -> FastAPI:
        return build_application(parley.services, identity, "wss://socket.example/local", tmp_path)

    def signed_in(user: str = "ada") -> TestClient:
        token = jwt.encode({"sub": user, "exp": time.time() + 600}, SECRET)
        return TestClient(app(), headers={"authorization": f"Bearer {token}"})

    return signed_in
