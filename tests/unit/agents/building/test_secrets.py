"""Secrets of agents: no model and no generator is shown one, and building upon an agent does not lose it."""

import json
from typing import Any

import pytest

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.building.showing import redacted_agent
from shared.agents.graphs.model import Graph
from shared.agents.tools.find_library_agent import FindLibraryAgent, FindLibraryAgentInput
from shared.tools.contract import ToolContext
from tests.support.blocks import block_named
from tests.support.building import AGENT, PLAN, Builder, builder, generator
from tests.support.model import says
from tests.support.region import Parley

PASSWORD = {"type": "string", "format": "password"}


def with_input(value_schema: dict[str, Any], default: Any) -> dict[str, Any]:
    """The demo's agent, which also asks for that."""
    asks = {"name": "Key", "value_schema": value_schema, "default": default}
    return {**AGENT, "nodes": [*AGENT["nodes"], {"id": "key", "block_id": AgentInput.id, "input_default": asks}]}


KEYED = with_input(PASSWORD, "hunter2")


@pytest.fixture
def ada(parley: Parley) -> Builder:
    return builder(parley)


def default_of(ada: Builder, agent_id: str) -> Any:
    node = ada.library.graph(ada.library.get("ada", agent_id)).node("key")
    assert node
    return node.input_default.get("default")


def without_default(agent: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """As a model sends it back that was not shown the secret."""
    told = json.loads(json.dumps({**agent, **changed}))
    del told["nodes"][-1]["input_default"]["default"]
    return dict(told)


def test_a_graph_is_found_without_its_secrets(ada: Builder) -> None:
    made = ada.ask("create_agent", agent_json=KEYED)
    found = FindLibraryAgent(ada.library).run(
        ToolContext("ada", "s", "t", "c"), FindLibraryAgentInput(query=made["library_agent_id"], include_graph=True)
    )
    assert found.agents[0].graph
    assert "hunter2" not in found.model_dump_json()


def test_the_model_that_changes_an_agent_is_not_shown_its_secrets(ada: Builder) -> None:
    """And they stay, though what it brings has none."""
    made = ada.ask("create_agent", agent_json=KEYED)
    brought = without_default(KEYED, description="Kinder.")
    answer = ada.ask("edit_agent", PLAN, json.dumps(brought), agent_id=made["library_agent_id"], changes="Be kind")
    assert (answer["type"], answer["version"]) == ("agent_saved", 2)
    asked = [request.messages for request in ada.parley.model.requests if not request.tools]
    assert asked
    assert "hunter2" not in json.dumps(asked)
    assert default_of(ada, made["library_agent_id"]) == "hunter2"


def test_nor_is_a_generator_outside(parley: Parley) -> None:
    with generator() as outside:
        ada = builder(parley, AGENT_GENERATOR_URL=outside.server.url)
        made = ada.ask("create_agent", agent_json=KEYED)
        ada.ask("edit_agent", agent_id=made["library_agent_id"], changes="Be kind")
        assert outside.asked[-1].body["current_agent"]["nodes"][-1]["id"] == "key"
        assert "hunter2" not in json.dumps([one.body for one in outside.asked])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (without_default(KEYED, description="Other."), "hunter2"),
        (with_input(PASSWORD, "another"), "another"),
        (with_input(PASSWORD, None), None),
        (without_default(with_input({"type": "string"}, "x"), description="Other."), None),
    ],
    ids=["none is sent", "another is sent", "none is wanted", "it is no secret any more"],
)
def test_a_secret_stays_where_nothing_is_said_of_it(ada: Builder, sent: dict[str, Any], kept: Any) -> None:
    """One that would be no secret any more is not given away by that."""
    made = ada.ask("create_agent", agent_json=KEYED)
    ada.ask("edit_agent", agent_id=made["library_agent_id"], agent_json=sent)
    assert default_of(ada, made["library_agent_id"]) == kept


def test_the_default_in_a_schema_stays_as_well(ada: Builder) -> None:
    schema = {"type": "object", "properties": {"key": {**PASSWORD, "default": "hunter2"}}}
    agent = with_input(schema, {"key": "hunter2"})
    made = ada.ask("create_agent", agent_json=agent)
    shown = without_default(agent, description="Other.")
    shown["nodes"][-1]["input_default"]["value_schema"]["properties"]["key"] = PASSWORD
    ada.ask("edit_agent", agent_id=made["library_agent_id"], agent_json=shown)
    saved = ada.library.graph(ada.library.get("ada", made["library_agent_id"]))
    assert (saved.description, saved.nodes[-1].input_default) == ("Other.", agent["nodes"][-1]["input_default"])


def test_a_preview_has_no_secret_and_can_be_sent_again(ada: Builder) -> None:
    """Names of providers, and fields that are called like secrets, are none."""
    asks = {"name": "login", "value_schema": {"type": "object", "properties": {"token": {"type": "string"}}}}
    graph = with_input(PASSWORD, "hunter2")
    graph["nodes"] += [
        {"id": "login", "block_id": AgentInput.id, "input_default": asks},
        {
            "id": "get",
            "block_id": block_named("HTTP request").id,
            "input_default": {"url": "https://rivers.example/x", "credential": "http_bearer"},
        },
    ]
    preview = ada.ask("create_agent", PLAN, json.dumps(graph), description="Ask the river", save=False)
    assert preview["type"] == "agent_preview"
    assert "hunter2" not in json.dumps(preview)
    saved = ada.ask("create_agent", agent_json=preview["agent_json"])
    kept = ada.library.graph(ada.library.get("ada", saved["library_agent_id"]))
    assert [node.input_default for node in kept.nodes[-2:]] == [node["input_default"] for node in graph["nodes"][-2:]]


@pytest.mark.parametrize("more", ["", "x" * 11_000], ids=["whole", "its beginning"])
def test_an_agent_that_could_not_be_saved_is_shown_without_secrets(ada: Builder, more: str) -> None:
    """Also where only its beginning is shown."""
    made = ada.ask("create_agent", agent_json=AGENT)
    agent = ada.library.get("ada", made["library_agent_id"])
    template = {"values": {"password": "hunter2"}}
    brought = {**KEYED, "description": "Other."}
    brought["nodes"] = [
        *KEYED["nodes"],
        {
            "id": "text",
            "block_id": block_named("Text template").id,
            "input_default": {"template": f"{{{{ password }}}}{more}", **template},
        },
        *(
            {"id": f"n{at}", "block_id": block_named("Text template").id, "input_default": {"template": more}}
            for at in range(3)
        ),
    ]

    def by_hand() -> None:
        ada.library.save(agent, Graph.model_validate({**AGENT, "name": "By hand"}))

    ada.begin("edit_agent", agent_id=agent.id, changes="Be different")
    ada.parley.model.scripts[2:] = [says(PLAN), [by_hand, *says(json.dumps(brought))], says("Done.")]
    ada.parley.drain_all()
    answer = ada.result()
    assert answer["code"] == "agent_not_saved"
    assert {"agent_json", "agent_json_begins"} & answer["details"].keys()
    assert "hunter2" not in json.dumps(answer)


@pytest.mark.parametrize("rubbish", [None, [], "x", {"nodes": 5}, {"nodes": [None, 5, {"input_default": "x"}]}, {}])
def test_what_is_no_graph_is_redacted_all_the_same(rubbish: Any) -> None:
    assert redacted_agent(rubbish) == rubbish
    assert redacted_agent({"token": "x", "nodes": [{"password": "x"}, rubbish]}) == {
        "token": "[REDACTED]",
        "nodes": [{"password": "[REDACTED]"}, rubbish],
    }
