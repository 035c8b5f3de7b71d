"""The blocks over HTTP."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient

from shared.accounts.identity import Identity
from shared.agents.blocks.registry import shipped_blocks
from shared.api.application import build_application
from shared.kernel.settings import IdentitySettings
from tests.support.description import held_to_description
from tests.support.region import Parley

SECRET = "a-secret-of-at-least-thirty-two-bytes!"


@pytest.fixture
def ada(parley: Parley, tmp_path: Path) -> TestClient:
    """Ada's client."""
    identity = Identity(IdentitySettings(jwt_secret_parameter="/jwt"), lambda: SECRET, parley.clock)
    app = build_application(parley.services, identity, "wss://socket.example/local", tmp_path)
    token = jwt.encode({"sub": "ada", "exp": time.time() + 600}, SECRET)
    return held_to_description(TestClient(app, headers={"authorization": f"Bearer {token}"}))


def names(answer: Any) -> list[str]:
    return [block["name"] for block in answer.json()["blocks"]]


def test_all_blocks_are_listed(ada: TestClient) -> None:
    """With schemas, price, category and examples, by name."""
    answer = ada.get("/api/blocks")
    assert names(answer) == [block.name for block in shipped_blocks()]
    assert {block["category"] for block in answer.json()["blocks"]} <= set(answer.json()["categories"])
    query = next(block for block in answer.json()["blocks"] if block["name"] == "JSON query")
    assert query["input_schema"]["required"] == ["query", "document"]
    assert query["examples"][1] == {"inputs": {"query": "a.b", "document": {}}, "outputs": {"result": [None]}}


def test_blocks_are_searched(ada: TestClient) -> None:
    """The best first; within a category, if one is named."""
    assert names(ada.get("/api/blocks?search=signed webhook"))[0] == "Send webhook"
    assert names(ada.get("/api/blocks?category=files")) == ["Read a file", "Store a file"]
    assert names(ada.get("/api/blocks?search=webhook&category=files")) == []


def test_nobody_else_sees_them(ada: TestClient) -> None:
    """As everything of the API but health."""
    assert ada.get("/api/blocks", headers={"authorization": ""}).status_code == 401


@pytest.mark.parametrize("known", ["json QUERY", "a700e4bc", "A700E4BC-2f12-4d88-906b-0024010db8ee"])
def test_a_session_names_blocks_that_exist(ada: TestClient, known: str) -> None:
    """By any of their names; what means no block is refused."""
    good = {"blocks": [known], "blocks_exclude": False}
    assert ada.post("/api/chat/sessions", json={"permissions": good}).status_code == 201
    answer = ada.post("/api/chat/sessions", json={"permissions": {"blocks": [known, "JSON qery"]}})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_blocks")
    assert answer.json()["details"] == {"blocks": ["JSON qery"]}
