"""The description at /openapi.json: legal, complete, and its examples hold. test_http.py holds answers to it."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.accounts.identity import Identity
from shared.api.application import build_application
from shared.api.openapi.problems import PROBLEMS
from shared.api.openapi.routes import ROUTES
from shared.kernel.settings import IdentitySettings
from tests.support.description import Description, event_parts
from tests.support.grammar import check_stream
from tests.support.region import Parley

SECRET = "a-secret-of-at-least-thirty-two-bytes!"


@pytest.fixture
def ada(parley: Parley, tmp_path: Path) -> TestClient:
    """Ada's client."""
    identity = Identity(IdentitySettings(jwt_secret_parameter="/jwt"), lambda: SECRET, parley.clock)
    app = build_application(parley.services, identity, "wss://socket.example/local", tmp_path)
    token = jwt.encode({"sub": "ada", "exp": time.time() + 600}, SECRET)
    return TestClient(app, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
def described(ada: TestClient) -> Description:
    return Description(ada.get("/openapi.json", headers={"authorization": ""}).json())


def test_the_description_is_legal(described: Description) -> None:
    """OpenAPI 3.1, judged by a validator that nobody here wrote."""
    OpenAPIV31SpecValidator(described.document).validate()
    assert described.document["openapi"].startswith("3.1")


def test_every_route_is_described(described: Description) -> None:
    """A route without an entry in ROUTES has no examples, and an entry without a route is a leftover."""
    routes = {(method, path) for method, path, _ in described.operations()}
    assert not routes - ROUTES.keys(), "describe these routes in src/shared/api/openapi/routes.py"
    assert not ROUTES.keys() - routes, "src/shared/api/openapi/routes.py describes routes that are gone"


def contents(described: Description) -> list[tuple[str, dict[str, Any]]]:
    """Every described body, of requests and answers."""
    found = []
    for method, path, operation in described.operations():
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for name, body in bodies.items():
            found += [(f"{method} {path} {name} {kind}", media) for kind, media in body.get("content", {}).items()]
    return found


def test_every_body_has_examples_that_fit_its_schema(described: Description) -> None:
    """Requests, answers and errors alike."""
    for where, media in contents(described):
        assert media["examples"], where
        for name, example in media["examples"].items():
            assert not described.problems_with(media["schema"], example["value"]), (where, name)


def test_every_answer_but_an_empty_one_has_a_body(described: Description) -> None:
    """What leads elsewhere, and 204, say nothing."""
    for method, path, operation in described.operations():
        for status, answer in operation["responses"].items():
            assert bool(answer.get("content")) == (status not in {"204", "303"}), (method, path, status)
            assert answer["description"], (method, path, status)


def test_the_example_streams_are_streams(described: Description) -> None:
    """They follow the grammar that real ones follow; `[DONE]` stands behind `finish` alone."""
    streams = [
        (where, example["value"])
        for where, media in contents(described)
        if where.endswith("event-stream")
        for example in media["examples"].values()
    ]
    assert len(streams) >= 5
    for where, text in streams:
        parts = event_parts(text)
        finished = bool(parts) and parts[-1]["type"] == "finish"
        assert text.endswith("data: [DONE]\n\n") == finished, where
        if finished and parts[0]["type"] == "start":
            check_stream(parts)


def test_every_parameter_has_an_example_and_every_error_a_code(described: Description) -> None:
    """Of each route; the token is a security scheme, and only public routes go without."""
    for method, path, operation in described.operations():
        for parameter in operation["parameters"]:
            assert not described.problems_with(parameter["schema"], parameter["example"]), (method, path, parameter)
        assert bool(operation.get("security")) == ("401" in operation["responses"]), (method, path)
    codes = {code for route in ROUTES.values() for code in route.problems}
    assert codes <= PROBLEMS.keys()


def test_a_send_is_described_in_both_of_its_forms(described: Description) -> None:
    """Parley's own, and that of the official transports."""
    operation = described.document["paths"]["/api/chat/sessions/{session_id}/stream"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert [option["$ref"].rsplit("/")[-1] for option in schema["anyOf"]] == ["OwnSend", "TransportSend"]


@pytest.mark.parametrize("example", ["own", "official-client"])
def test_the_example_requests_are_accepted(ada: TestClient, described: Description, example: str) -> None:
    """What the description shows can be sent."""
    session_id = ada.post("/api/chat/sessions", json={"title": "Rivers"}).json()["id"]
    operation = described.document["paths"]["/api/chat/sessions/{session_id}/stream"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["examples"][example]["value"]
    url = f"/api/chat/sessions/{session_id}/stream"
    assert ada.post(url, json=body, headers={"accept": "application/json"}).status_code == 202
