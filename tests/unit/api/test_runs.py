"""Runs over HTTP: started once, listed, read, stopped."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.accounts.credentials.signing_in import SigningIn
from shared.accounts.credentials.tokens import TokenEndpoints
from shared.agents.library.records import LibraryAgent
from shared.kernel.cursors import cursor_of
from shared.kernel.ids import RandomIds
from tests.support.credentials import SIGNING, Safe, open_safe
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, Probe, given, graph, node, result
from tests.unit.api.test_agents import client_of

ECHO = graph([given("in", "City"), result("out", "City")], "in.value > out.value")
"""Says what it was told."""
ECHO_OF_TOWN = graph([given("in", "Town"), result("out", "Town")], "in.value > out.value")
"""The same of an input of another name."""


@pytest.fixture
def ada(parley: Parley) -> TestClient:
    return client_of(parley, "ada")


@pytest.fixture
def agents(parley: Parley) -> Agents:
    return Agents(parley)


def test_a_run_is_started_worked_on_and_read(agents: Agents, ada: TestClient) -> None:
    agent = agents.agent(GREETER)
    answer = ada.post("/api/runs", json={"library_agent_id": agent.id, "inputs": {"City": "Oslo"}})
    assert answer.status_code == 202
    run_id = answer.json()["id"]
    assert answer.json()["status"] == "queued"

    agents.until_quiet()

    run = ada.get(f"/api/runs/{run_id}").json()
    assert (run["status"], run["outputs"], run["inputs"]) == (
        "completed",
        {"Greeting": ["Hello Oslo"]},
        {"City": "Oslo"},
    )
    nodes = ada.get(f"/api/runs/{run_id}/nodes").json()
    assert [node["node_id"] for node in nodes["nodes"]] == ["in", "greet", "out"]


def test_nodes_come_page_by_page(agents: Agents, ada: TestClient) -> None:
    run = agents.run(GREETER, {"City": "Oslo"})
    first = ada.get(f"/api/runs/{run.id}/nodes", params={"limit": 2}).json()
    rest = ada.get(f"/api/runs/{run.id}/nodes", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [node["node_id"] for node in [*first["nodes"], *rest["nodes"]]] == ["in", "greet", "out"]
    assert rest["next_cursor"] is None


def test_a_page_of_nodes_costs_what_it_shows(parley: Parley, ada: TestClient) -> None:
    """However many nodes there are; long outputs are whole, and what waits comes last, in pages too."""
    nodes = [
        node("loop", "Loop over a list", items=list(range(13))),
        node("p", "probe"),
        node("w", "Wait", seconds=9_000),
    ]
    agents = Agents(parley, blocks=[Probe(lambda _, value: value or "y" * 600_000)])
    run = agents.run(graph(nodes, "loop.item > p.value", "loop.item > w.value"))
    found: list[dict[str, Any]] = []
    cursor, costs = None, []
    while cursor or not found:
        parley.watch.reset()
        page = ada.get(f"/api/runs/{run.id}/nodes", params={"limit": 5, **({"cursor": cursor} if cursor else {})})
        found, cursor = found + page.json()["nodes"], page.json()["next_cursor"]
        costs.append(len(parley.watch.calls))
    expected = agents.nodes(run.id)
    assert [(one["node_id"], one["index"]) for one in found] == [(one.node_id, one.index) for one in expected]
    assert [one["status"] for one in found] == ["completed"] * 14 + ["waiting"] * 13
    assert max(len(json.dumps(one["outputs"])) for one in found) > 600_000
    assert max(costs) <= 6
    assert ada.get(f"/api/runs/{run.id}/nodes", params={"cursor": cursor_of(10**30)}).json()["nodes"] == []


def test_the_same_request_starts_one_run(agents: Agents, ada: TestClient) -> None:
    agent = agents.agent(GREETER)
    body = {"library_agent_id": agent.id, "inputs": {"City": "Oslo"}, "request_id": "mine"}
    ids = {ada.post("/api/runs", json=body).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert [run["id"] for run in ada.get("/api/runs").json()["runs"]] == [*ids]


def test_inputs_that_do_not_fit_start_nothing(agents: Agents, ada: TestClient) -> None:
    agent = agents.agent(GREETER)
    answer = ada.post("/api/runs", json={"library_agent_id": agent.id, "inputs": {"Town": "Oslo"}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_inputs")
    assert answer.json()["details"]["unknown"] == ["Town"]
    assert answer.json()["details"]["missing"] == ["City"]
    assert ada.get("/api/runs").json()["runs"] == []


def posting(agents: Agents) -> LibraryAgent:
    """An agent that runs one that runs one that needs an account."""
    posts = graph(
        [given("in", "Text"), node("post", "Send webhook", url="https://hooks.example.com/x"), result("out", "Status")],
        "in.value > post.payload",
        "post.status_code > out.value",
    )
    agent = agents.agent(posts)
    for _ in range(2):
        runs = node("run", "Run agent", library_agent_id=agent.id, inputs={"Text": "Hello"})
        agent = agents.agent(graph([runs, result("out", "Status")], "run.status > out.value"))
    return agent


@pytest.mark.parametrize("other", ["agent", "inputs", "dry_run"])
def test_an_id_stands_for_one_request(agents: Agents, ada: TestClient, other: str) -> None:
    """Another agent, other inputs, a dry run: whoever reads the first run's outputs as theirs would be misled."""
    one, two = agents.agent(GREETER), agents.agent(GREETER)
    asked = {"library_agent_id": one.id, "inputs": {"City": "Oslo"}, "request_id": "r1"}
    run_id = ada.post("/api/runs", json=asked).json()["id"]
    different: dict[str, dict[str, Any]] = {
        "agent": {"library_agent_id": two.id},
        "inputs": {"inputs": {"City": "Rome"}},
    }
    refused = ada.post("/api/runs", json={**asked, **different.get(other, {"dry_run": True})})
    assert (refused.status_code, refused.json()["code"]) == (409, "request_id_used")
    assert refused.json()["details"] == {"run_id": run_id}


def test_a_retry_finds_its_run_though_the_agent_has_changed(agents: Agents, ada: TestClient) -> None:
    """What was accepted once is not judged again."""
    agent = agents.agent(GREETER)
    asked = {"library_agent_id": agent.id, "inputs": {"City": "Oslo"}, "request_id": "r1"}
    run_id = ada.post("/api/runs", json=asked).json()["id"]
    agents.library.save(agent, ECHO_OF_TOWN)
    again = ada.post("/api/runs", json=asked)
    assert (again.status_code, again.json()["id"]) == (202, run_id)
    assert ada.post("/api/runs", json={**asked, "request_id": "r2"}).json()["code"] == "invalid_inputs"


def test_a_retry_finds_its_run_though_the_agent_is_gone(agents: Agents, ada: TestClient) -> None:
    """The first answer may have been lost."""
    agent = agents.agent(GREETER)
    asked = {"library_agent_id": agent.id, "inputs": {"City": "Oslo"}, "request_id": "r1"}
    run_id = ada.post("/api/runs", json=asked).json()["id"]
    agents.until_quiet()
    assert ada.delete(f"/api/agents/{agent.id}").status_code == 204
    again = ada.post("/api/runs", json=asked)
    assert (again.status_code, again.json()["id"]) == (202, run_id)
    assert ada.post("/api/runs", json={**asked, "request_id": "r2"}).json()["code"] == "AGENT_NOT_FOUND"


def test_a_repeated_request_sends_a_lost_message_again(parley: Parley, agents: Agents, ada: TestClient) -> None:
    """Whoever has put the run may have been killed before it was sent."""
    asked = {"library_agent_id": agents.agent(GREETER).id, "inputs": {"City": "Oslo"}, "request_id": "r1"}
    run_id = ada.post("/api/runs", json=asked).json()["id"]
    parley.runs_waiting()  # lost
    assert ada.post("/api/runs", json=asked).status_code == 202
    assert parley.runs_waiting() == [run_id]


def test_a_run_is_a_task(agents: Agents, ada: TestClient) -> None:
    """Whose stream and status are there for all who may see it."""
    run = agents.run(GREETER, {"City": "Oslo"})
    task = ada.get(f"/api/chat/tasks/{run.id}").json()
    assert (task["kind"], task["status"]) == ("run", "completed")


def test_secret_inputs_are_hidden_in_what_runs_show(agents: Agents, ada: TestClient) -> None:
    """Of the run and of the input's node, waiting or not; what it hands on is the agent's own business."""
    key = given("key", "Key", value_schema={"type": "string", "format": "password"})
    made = graph([key, given("town", "Town"), result("out", "Town")], "town.value > out.value")
    run = agents.run(made, {"Key": "hunter2", "Town": "Oslo"})
    assert (run.inputs, run.outputs) == ({"Key": "(hidden)", "Town": "Oslo"}, {"Town": ["Oslo"]})
    said = ada.get(f"/api/runs/{run.id}").text + ada.get(f"/api/runs/{run.id}/nodes").text
    assert "hunter2" not in said
    assert "Oslo" in said
    nodes = ada.get(f"/api/runs/{run.id}/nodes").json()["nodes"]
    (shown,) = [node for node in nodes if node["node_id"] == "key"]
    assert (shown["inputs"]["name"], shown["outputs"]) == ("Key", {"value": ["(hidden)"]})


def test_an_agent_with_many_inputs_gets_them_all(agents: Agents, ada: TestClient) -> None:
    made = graph([*[given(f"i{n}", f"N{n}") for n in range(120)], result("o", "O")], "i0.value > o.value")
    body = {"library_agent_id": agents.agent(made).id, "inputs": {f"N{n}": "x" for n in range(120)}}
    assert ada.post("/api/runs", json=body).status_code == 202


def test_inputs_leave_room_for_the_names_of_outputs(agents: Agents, ada: TestClient) -> None:
    """They are in one record, which DynamoDB takes up to 400 KB."""
    outputs = [result(f"{'n' * 60}-{n}", "😀" * 97 + f"{n:03d}") for n in range(499)]
    made = graph([given("in", "Text"), *outputs], *[f"in.value > {one.id}.value" for one in outputs])
    body = {"library_agent_id": agents.agent(made).id, "inputs": {"Text": "a" * 199_000}}
    refused = ada.post("/api/runs", json=body)
    assert (refused.status_code, refused.json()["code"]) == (413, "inputs_too_large")
    assert ada.post("/api/runs", json={**body, "inputs": {"Text": "a" * 140_000}}).status_code == 202


def test_nothing_begins_before_its_accounts_are_connected(agents: Agents, parley: Parley) -> None:
    """Also those of agents that it runs; the answer says where the user connects them."""
    safe, ada = with_accounts(parley)
    body = {"library_agent_id": posting(agents).id}
    refused = ada.post("/api/runs", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "credentials_missing")
    details = refused.json()["details"]
    assert (details["missing"], details["connect_links"]) == (
        ["webhook_signing"],
        {"webhook_signing": "/#connect=webhook_signing"},
    )
    assert details["setup_info"]["user_readiness"]["missing_credentials"] == ["webhook_signing"]
    assert ada.get("/api/runs").json()["runs"] == []
    assert ada.get(f"/api/agents/{body['library_agent_id']}").json()["credentials"] == ["webhook_signing"]

    safe.connect(SIGNING, user="bob")
    assert ada.post("/api/runs", json=body).status_code == 409
    safe.connect(SIGNING)
    assert ada.post("/api/runs", json=body).status_code == 202


def test_a_deployment_without_credentials_says_so(agents: Agents, ada: TestClient) -> None:
    assert ada.post("/api/runs", json={"library_agent_id": posting(agents).id}).json()["code"] == "credentials_missing"


@pytest.mark.parametrize(
    "value", ['"\\ud800"', "NaN", "1e999", "[" * 101 + "]" * 101], ids=["half", "nan", "inf", "deep"]
)
def test_inputs_that_nobody_could_read_again_start_nothing(agents: Agents, ada: TestClient, value: str) -> None:
    """Whatever a client's library can write: else the run could be started, and not be shown."""
    body = json.dumps({"library_agent_id": agents.agent(GREETER).id, "inputs": {"City": "here"}})
    answer = ada.post("/api/runs", content=body.replace('"here"', value))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_inputs")
    assert ada.get("/api/runs").json()["runs"] == []


def test_a_name_that_is_no_text_is_refused_in_words(agents: Agents, ada: TestClient) -> None:
    body = json.dumps({"library_agent_id": agents.agent(GREETER).id, "inputs": {"\ud800": 1}})
    answer = ada.post("/api/runs", content=body)
    assert (answer.status_code, answer.json()["details"]["unknown"]) == (422, ["?"])


def test_values_as_deep_as_they_may_be_are_shown(agents: Agents, ada: TestClient) -> None:
    run = agents.run(ECHO, {"City": json.loads("[" * 99 + "]" * 99)})
    assert run.status == "completed"
    for path in ("", "/nodes"):
        assert ada.get(f"/api/runs/{run.id}{path}").status_code == 200


def test_runs_are_listed_page_by_page_the_newest_first(parley: Parley, agents: Agents, ada: TestClient) -> None:
    agent, other = agents.agent(GREETER), agents.agent(GREETER)
    ids = []
    for number in range(5):
        parley.clock.advance(1)
        ids.append(agents.start(other if number == 2 else agent, {"City": "Oslo"}))
    agents.until_quiet()

    def listed(**params: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            query: dict[str, Any] = {"limit": 2, **params, **({"cursor": cursor} if cursor else {})}
            page = ada.get("/api/runs", params=query).json()
            assert len(page["runs"]) <= 2
            found += [run["id"] for run in page["runs"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert listed() == ids[::-1]
    assert listed(library_agent_id=other.id) == [ids[2]]
    assert listed(library_agent_id=agent.id) == [ids[4], ids[3], ids[1], ids[0]]
    assert listed(statuses="failed") == []
    assert listed(statuses=["failed", "completed"]) == ids[::-1]


def test_a_run_is_stopped(agents: Agents, ada: TestClient) -> None:
    run_id = agents.start(agents.agent(GREETER), {"City": "Oslo"})
    stopped = ada.post(f"/api/runs/{run_id}/cancel").json()
    assert (stopped["status"], stopped["error"]["code"]) == ("terminated", "stopped_by_user")
    assert ada.post(f"/api/runs/{run_id}/cancel").json() == stopped


def test_the_stream_of_a_run_is_its_tasks(agents: Agents, ada: TestClient) -> None:
    """Whoever may see the run may watch it."""
    run = agents.run(GREETER, {"City": "Oslo"})
    stream = ada.get(f"/api/chat/tasks/{run.id}/stream")
    assert stream.status_code == 200
    lines = [line[6:] for line in stream.text.splitlines() if line.startswith("data: {")]
    assert {json.loads(line)["type"] for line in lines} >= {"start", "data-node", "finish"}


def test_somebody_elses_run_does_not_exist(parley: Parley, agents: Agents) -> None:
    run = agents.run(GREETER, {"City": "Oslo"})
    bob = client_of(parley, "bob")
    for method, path in (("GET", ""), ("GET", "/nodes"), ("POST", "/cancel")):
        answer = bob.request(method, f"/api/runs/{run.id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "RUN_NOT_FOUND")
    assert bob.get(f"/api/chat/tasks/{run.id}/stream").status_code == 404
    assert bob.get("/api/runs").json()["runs"] == []
    agent = agents.agent(GREETER)
    answer = bob.post("/api/runs", json={"library_agent_id": agent.id, "inputs": {"City": "Oslo"}})
    assert (answer.status_code, answer.json()["code"]) == (404, "AGENT_NOT_FOUND")


def with_accounts(parley: Parley) -> tuple[Safe, TestClient]:
    """A deployment that keeps credentials, and ada."""
    safe = open_safe(parley.database, parley.clock)
    endpoints = TokenEndpoints(safe.server, lambda _parameter: "", parley.clock)
    address = "https://parley.example"
    signing_in = SigningIn(safe.vault, endpoints, parley.database, parley.clock, RandomIds(parley.clock), address)
    return safe, client_of(parley, "ada", signing_in)


def test_where_runs_are_told_is_set_read_and_deleted(agents: Agents, parley: Parley) -> None:
    safe, ada = with_accounts(parley)
    safe.connect(SIGNING)
    path = f"/api/agents/{agents.agent(GREETER).id}/webhook"
    assert ada.get(path).json() == {"url": None}
    assert ada.put(path, json={"url": "https://hooks.example.com/x"}).json() == {"url": "https://hooks.example.com/x"}
    assert ada.get(path).json() == {"url": "https://hooks.example.com/x"}
    assert client_of(parley, "bob").get(path).status_code == 404
    assert ada.delete(path).status_code == 204
    assert ada.delete(path).json()["code"] == "WEBHOOK_NOT_FOUND"


def test_nobody_is_told_what_could_not_be_signed(agents: Agents, parley: Parley) -> None:
    """The user hears so at once, not the logs for a day: there is no account, or none for this host."""
    safe, ada = with_accounts(parley)
    path = f"/api/agents/{agents.agent(GREETER).id}/webhook"
    refused = ada.put(path, json={"url": "https://hooks.example.com/x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "credentials_missing")
    assert refused.json()["details"]["connect_links"] == {"webhook_signing": "/#connect=webhook_signing"}
    safe.connect(SIGNING)
    assert ada.put(path, json={"url": "https://other.example.com/x"}).status_code == 409
    refused = ada.put(path, json={"url": "https://hooks.example.com:99/x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_webhook_url")
    assert ada.get(path).json() == {"url": None}


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/x", "https://127.0.0.1/x", "https://[::1]/x", "https://93.184.216.34/x", "hooks", ""],
)
def test_an_address_that_nobody_could_be_told_at_is_refused_as_such(agents: Agents, parley: Parley, url: str) -> None:
    """Before accounts are looked at: there can be none for it. In words, not as an expression."""
    ada = with_accounts(parley)[1]
    refused = ada.put(f"/api/agents/{agents.agent(GREETER).id}/webhook", json={"url": url})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_webhook_url")
    assert "^" not in refused.text
