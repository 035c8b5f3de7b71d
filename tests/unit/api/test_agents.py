"""Libraries and the marketplace over HTTP."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient

from shared.accounts.credentials.signing_in import SigningIn
from shared.accounts.identity import Identity
from shared.agents.graphs.model import MAX_GRAPH_BYTES
from shared.api.agents import MAX_DOCUMENT_BYTES
from shared.api.application import build_application
from shared.kernel.settings import IdentitySettings
from tests.support.blocks import block_named
from tests.support.description import held_to_description
from tests.support.region import Parley

SECRET = "a-secret-of-at-least-thirty-two-bytes!"
SLUG = "ada/tide-table"


def client_of(parley: Parley, user: str, signing_in: SigningIn | None = None) -> TestClient:
    """Every answer is held to the API's description."""
    settings = IdentitySettings(jwt_secret_parameter="/jwt", guests_enabled=True)
    identity = Identity(settings, lambda: SECRET, parley.clock)
    socket, nobody = "wss://socket.example/local", lambda: None
    app = build_application(parley.services, identity, socket, Path("nowhere"), nobody, signing_in)
    token = jwt.encode({"sub": user, "exp": time.time() + 600}, SECRET)
    headers = {"authorization": f"Bearer {token}"}
    return held_to_description(TestClient(app, headers=headers, raise_server_exceptions=False))


@pytest.fixture
def ada(parley: Parley) -> TestClient:
    return client_of(parley, "ada")


@pytest.fixture
def bob(parley: Parley) -> TestClient:
    return client_of(parley, "bob")


def tides(name: str = "Tide table", **more: Any) -> dict[str, Any]:
    asks = {"id": "in", "block_id": block_named("Agent input").id, "input_default": {"name": "place", **more}}
    tells = {"id": "out", "block_id": block_named("Agent output").id, "input_default": {"name": "tide"}}
    link = {"source_id": "in", "source_name": "value", "sink_id": "out", "sink_name": "value"}
    return {"name": name, "description": "When the water is high.", "nodes": [asks, tells], "links": [link]}


def create(client: TestClient, name: str = "Tide table") -> str:
    answer = client.post("/api/agents", json={"graph": tides(name)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@contextmanager
def published(ada: TestClient) -> Iterator[str]:
    """The id of Ada's agent, which everybody can add."""
    ada.put("/api/store/profile", json={"username": "ada"})
    agent_id = create(ada)
    assert ada.post("/api/store", json={"library_agent_id": agent_id}).json()["slug"] == SLUG
    yield agent_id


def test_an_agent_is_created_and_tells_what_it_needs(ada: TestClient) -> None:
    """The graph only when it is asked for."""
    made = ada.post("/api/agents", json={"graph": tides()}).json()
    assert (made["version"], made["link"], made["graph"]) == (1, f"/#agent={made['id']}", None)
    assert made["input_schema"]["required"] == ["place"]
    assert list(made["output_schema"]["properties"]) == ["tide"]
    assert (made["credentials"], made["execution_modes"]) == ([], ["manual", "scheduled"])
    read = ada.get(f"/api/agents/{made['id']}").json()
    assert read == made
    assert ada.get(f"/api/agents/{made['id']}?include_graph=true").json()["graph"] == tides()


def test_a_graph_that_cannot_run_is_refused_with_every_problem(ada: TestClient) -> None:
    """And nothing is kept."""
    broken = tides()
    broken["nodes"][0]["block_id"] = "no-such-block"
    broken["links"][0]["sink_name"] = "nowhere"
    answer = ada.post("/api/agents", json={"graph": broken})
    assert refused(answer) == (422, "GRAPH_INVALID")
    assert {"in", "out"} <= {problem["node_id"] for problem in answer.json()["details"]["problems"]}
    agent_id = create(ada)
    for path, body in [("/api/agents/import", broken), ("/api/agents/import", []), ("/api/agents/import", "x")]:
        assert refused(ada.post(path, json=body)) == (422, "GRAPH_INVALID")
    changed = ada.put(f"/api/agents/{agent_id}/graph", json={"graph": broken, "version": 1})
    assert refused(changed) == (422, "GRAPH_INVALID")
    assert [agent["id"] for agent in ada.get("/api/agents").json()["agents"]] == [agent_id]


@pytest.mark.parametrize(
    "default", ['"\\ud800"', "NaN", "[" * 500 + "]" * 500], ids=["half a pair", "no number", "a deep list"]
)
def test_what_is_no_json_is_no_graph(ada: TestClient, default: str) -> None:
    """Whatever a client's library can write."""
    body = json.dumps({"graph": tides(default="here")}).replace('"here"', default)
    assert refused(ada.post("/api/agents", content=body)) == (422, "GRAPH_INVALID")


def test_a_graph_of_a_megabyte_is_taken_and_read_again(ada: TestClient) -> None:
    """One that is larger is refused before it is looked at."""
    frame = len(json.dumps(tides(default="")))
    graph = tides(default="x" * (MAX_GRAPH_BYTES - frame))
    answer = ada.post("/api/agents/import", content=json.dumps(graph))
    assert answer.status_code == 201, answer.text
    exported = ada.get(f"/api/agents/{answer.json()['id']}/export")
    assert exported.json()["graph"] == graph
    assert ada.post("/api/agents/import", content=exported.content).status_code == 201
    too_large = json.dumps(tides(default="x" * (MAX_GRAPH_BYTES - frame + 1)))
    assert refused(ada.post("/api/agents/import", content=too_large)) == (422, "GRAPH_INVALID")
    assert refused(ada.post("/api/agents/import", content="1" * (MAX_DOCUMENT_BYTES + 1))) == (413, "too_large")


def test_agents_are_listed_in_pages_and_searched(ada: TestClient, parley: Parley) -> None:
    """The last updated first; a search forgives mistakes."""
    ids = []
    for name in ("Tides", "Moon phases", "Bird song"):
        ids.append(create(ada, name))
        parley.clock.advance(1)
    first = ada.get("/api/agents?limit=2").json()
    second = ada.get(f"/api/agents?limit=2&cursor={first['next_cursor']}").json()
    assert [agent["id"] for agent in first["agents"] + second["agents"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert [agent["name"] for agent in ada.get("/api/agents?query=mooon fases").json()["agents"]] == ["Moon phases"]
    assert refused(ada.get("/api/agents?cursor=x")) == (422, "invalid_cursor")


def test_an_agent_is_renamed_and_its_versions_are_chosen(ada: TestClient) -> None:
    """What was made of an older version than the one that runs is refused."""
    agent = f"/api/agents/{create(ada)}"
    assert ada.patch(agent, json={"name": " Tides "}).json()["name"] == "Tides"
    saved = ada.put(f"{agent}/graph", json={"graph": tides("Better"), "version": 1}).json()
    assert (saved["version"], saved["name"]) == (2, "Better")
    late = ada.put(f"{agent}/graph", json={"graph": tides(), "version": 1})
    assert (refused(late), late.json()["details"]) == ((409, "AGENT_CHANGED"), {"version": 2})
    versions = ada.get(f"{agent}/versions?limit=1").json()
    assert [(one["version"], one["name"], one["runs"]) for one in versions["versions"]] == [(2, "Better", True)]
    older = ada.get(f"{agent}/versions?cursor={versions['next_cursor']}").json()
    assert [(one["version"], one["name"], one["runs"]) for one in older["versions"]] == [(1, "Tide table", False)]
    assert ada.patch(agent, json={"version": 1}).json()["version"] == 1
    assert refused(ada.patch(agent, json={"version": 9})) == (404, "VERSION_NOT_FOUND")
    for wrong in ({"nmae": "x"}, {"name": "Two\nlines"}):
        assert refused(ada.patch(agent, json=wrong)) == (422, "validation_failed")


def test_an_export_can_be_imported(ada: TestClient, bob: TestClient) -> None:
    """As it is, and as a bare graph, which is repaired where that needs no guess."""
    exported = ada.get(f"/api/agents/{create(ada)}/export").json()
    assert exported == {"format": "parley.agent", "version": 1, "graph": tides(), "removed": []}
    imported = bob.post("/api/agents/import", json=exported).json()
    assert imported["fixes_applied"] == []
    assert bob.get(f"/api/agents/{imported['id']}/export").json() == exported
    edges = {**tides(), "edges": tides()["links"]}
    del edges["links"]
    repaired = bob.post("/api/agents/import", json=edges).json()
    assert len(repaired["fixes_applied"]) == 1
    assert bob.get(f"/api/agents/{repaired['id']}/export").json() == exported
    strange = bob.post("/api/agents/import", json={**exported, "version": 2})
    assert strange.json()["details"]["problems"][0]["code"] == "unknown_format"


def test_a_deleted_agent_is_gone(ada: TestClient) -> None:
    agent = f"/api/agents/{create(ada)}"
    assert ada.delete(agent).status_code == 204
    assert refused(ada.delete(agent)) == refused(ada.get(agent)) == (404, "AGENT_NOT_FOUND")
    assert ada.get("/api/agents").json()["agents"] == []


@pytest.mark.parametrize("of_somebody", [True, False], ids=["another user's", "none at all"])
def test_somebody_elses_agent_answers_like_one_that_does_not_exist(
    ada: TestClient, bob: TestClient, of_somebody: bool
) -> None:
    """Whatever is asked of it."""
    agent_id = create(ada) if of_somebody else "x" * 2_000
    agent = f"/api/agents/{agent_id}"
    answers = [
        bob.get(agent),
        bob.get(f"{agent}/versions"),
        bob.get(f"{agent}/export"),
        bob.patch(agent, json={"name": "Mine"}),
        bob.put(f"{agent}/graph", json={"graph": tides(), "version": 1}),
        bob.delete(agent),
    ]
    assert {refused(answer) for answer in answers} == {(404, "AGENT_NOT_FOUND")}
    assert len({answer.text for answer in answers}) == 1
    if of_somebody:
        assert refused(bob.post("/api/store", json={"library_agent_id": agent_id})) == (404, "AGENT_NOT_FOUND")
        assert ada.get(agent).json()["name"] == "Tide table"


def test_an_agent_is_published_found_and_added(ada: TestClient, bob: TestClient) -> None:
    """The same slug twice gives the same agent; it is no longer there when it is withdrawn, but goes on working."""
    with published(ada):
        listed = bob.get("/api/store?query=tide tabel").json()["agents"]
        assert [agent["slug"] for agent in listed] == [SLUG]
        assert bob.get(f"/api/store/{SLUG}").json()["input_schema"]["required"] == ["place"]
        added = bob.post(f"/api/store/{SLUG}/add").json()
        assert bob.post(f"/api/store/{SLUG}/add").json() == added
        assert refused(bob.delete(f"/api/store/{SLUG}")) == (404, "STORE_AGENT_NOT_FOUND")
        assert ada.delete(f"/api/store/{SLUG}").status_code == 204
        assert refused(bob.get(f"/api/store/{SLUG}")) == (404, "STORE_AGENT_NOT_FOUND")
        assert bob.get(f"/api/agents/{added['id']}/export").json()["graph"] == tides()


PASSWORD = {"type": "string", "format": "password"}


@pytest.mark.parametrize(
    ("default", "schema"),
    [
        ("hunter2hunter2", PASSWORD),
        ({"key": "hunter2"}, {"type": "object", "properties": {"key": PASSWORD}}),
        (["hunter2"], {"type": "array", "items": {**PASSWORD, "default": "hunter2"}, "examples": [["hunter2"]]}),
        ("hunter2", {"anyOf": [{"type": "null"}, PASSWORD]}),
    ],
    ids=["the value", "a field", "an item", "one way"],
)
def test_the_default_of_a_secret_input_is_not_given_away(
    ada: TestClient, bob: TestClient, default: Any, schema: dict[str, Any]
) -> None:
    """Neither by an export, nor by publishing, nor by telling what the agent asks for."""
    graph = tides(default=default, value_schema=schema)
    agent_id = ada.post("/api/agents", json={"graph": graph}).json()["id"]
    ada.put("/api/store/profile", json={"username": "ada"})
    assert ada.post("/api/store", json={"library_agent_id": agent_id}).status_code == 200
    added = bob.post(f"/api/store/{SLUG}/add").json()["id"]
    told = [
        ada.get(f"/api/agents/{agent_id}"),
        ada.get(f"/api/agents/{agent_id}/export"),
        bob.get(f"/api/store/{SLUG}"),
        bob.get(f"/api/agents/{added}?include_graph=true"),
    ]
    assert not [answer.url for answer in told if "hunter2" in answer.text]
    assert told[0].json()["input_schema"]["required"] == []
    assert bob.get(f"/api/store/{SLUG}").json()["input_schema"]["required"] == ["place"]
    assert "hunter2" in ada.get(f"/api/agents/{agent_id}?include_graph=true").text


def test_a_further_version_is_published_and_chosen(ada: TestClient, bob: TestClient) -> None:
    with published(ada) as agent_id:
        added = bob.post(f"/api/store/{SLUG}/add").json()
        ada.put(f"/api/agents/{agent_id}/graph", json={"graph": tides("Better"), "version": 1})
        again = ada.post("/api/store", json={"library_agent_id": agent_id, "slug": "tide-table"}).json()
        assert (again["version"], again["name"]) == (2, "Better")
        assert bob.patch(f"/api/agents/{added['id']}", json={"version": 2}).json()["version"] == 2
        assert bob.get(f"/api/agents/{added['id']}/export").json()["graph"]["nodes"] == tides()["nodes"]


def test_the_marketplace_is_listed_in_pages(ada: TestClient) -> None:
    """What Parley ships is there without anybody having published it."""
    first = ada.get("/api/store?limit=3").json()
    second = ada.get(f"/api/store?limit=3&cursor={first['next_cursor']}").json()
    assert len({agent["slug"] for agent in first["agents"] + second["agents"]}) == 5
    assert second["next_cursor"] is None
    assert ada.post("/api/store/parley/watch-a-page/add").json()["slug"] == "parley/watch-a-page"


def test_a_username_is_claimed_once(ada: TestClient, bob: TestClient) -> None:
    """Some names are nobody's."""
    assert ada.get("/api/store/profile").json() == {"username": None}
    assert ada.put("/api/store/profile", json={"username": " ada "}).json() == {"username": "ada"}
    assert refused(bob.put("/api/store/profile", json={"username": "ada"})) == (409, "USERNAME_TAKEN")
    assert refused(ada.put("/api/store/profile", json={"username": "lady"})) == (409, "USERNAME_FIXED")
    assert refused(bob.put("/api/store/profile", json={"username": "parley"})) == (422, "USERNAME_RESERVED")
    for name in ("b", "bob/x", "Bob", "bob--x", "x" * 33, "1bob", "bob\nx"):
        assert refused(bob.put("/api/store/profile", json={"username": name})) == (422, "validation_failed")


def test_publishing_says_what_is_missing(ada: TestClient, bob: TestClient) -> None:
    """A name, an agent of one's own, a slug."""
    agent_id = create(bob, "天気")
    assert refused(bob.post("/api/store", json={"library_agent_id": agent_id})) == (422, "SLUG_MISSING")
    named = {"library_agent_id": agent_id, "slug": "weather"}
    assert refused(bob.post("/api/store", json=named)) == (409, "USERNAME_MISSING")
    assert refused(bob.post("/api/store", json={**named, "slug": "We/ther"})) == (422, "validation_failed")
    with published(ada):
        added = bob.post(f"/api/store/{SLUG}/add").json()["id"]
    assert refused(bob.post("/api/store", json={"library_agent_id": added})) == (409, "NOT_YOUR_GRAPH")


def test_guests_have_no_agents(ada: TestClient) -> None:
    """They would lose them."""
    token = ada.post("/api/chat/guest-token").json()["token"]
    guest = {"authorization": f"Bearer {token}"}
    for path in ("/api/agents", "/api/agents/x", "/api/store", "/api/store/profile"):
        assert refused(ada.get(path, headers=guest)) == (403, "login_required")
        assert ada.get(path, headers={"authorization": ""}).status_code == 401
