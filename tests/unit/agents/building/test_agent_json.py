"""Building from a graph at hand: repaired, validated and saved in the turn; large ones come as files."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.agents.building.json_answers import object_in
from shared.agents.graphs.model import MAX_GRAPH_BYTES, Graph
from tests.support.building import AGENT, PLAN, Builder, builder
from tests.support.checks import roles
from tests.support.region import Parley
from tests.support.workspace import build_desk


@pytest.fixture
def ada(parley: Parley) -> Builder:
    return builder(parley)


def with_filling(size: int, letter: str = "é") -> dict[str, Any]:
    """The agent, at a size of so many bytes as JSON."""
    agent = json.loads(json.dumps(AGENT))
    agent["nodes"][0]["input_default"]["default"] = ""
    room = size - len(json.dumps(agent, ensure_ascii=False).encode())
    agent["nodes"][0]["input_default"]["default"] = letter * (room // len(letter.encode()))
    return dict(agent)


def test_it_is_saved_in_the_turn(ada: Builder) -> None:
    """No operation: the next step has the answer."""
    answer = ada.ask("create_agent", agent_json=AGENT)
    assert (answer["type"], answer["version"]) == ("agent_saved", 1)
    assert roles(ada.parley.transcript(ada.session)) == ["user", "assistant", "tool", "assistant"]
    assert ada.library.graph(ada.library.get("ada", answer["library_agent_id"])) == Graph.model_validate(AGENT)


@pytest.mark.parametrize("sent", [json.dumps(AGENT), f"```json\n{json.dumps(AGENT, indent=1)}\n```", {"graph": AGENT}])
def test_it_may_be_a_text_or_wrapped(ada: Builder, sent: Any) -> None:
    """As models send it."""
    assert ada.ask("create_agent", agent_json=sent)["type"] == "agent_saved"


def test_what_can_be_repaired_is_and_is_said(ada: Builder) -> None:
    """A block that is named by its name, and a link to a node that isn't there."""
    agent = json.loads(json.dumps(AGENT))
    agent["nodes"][1]["block_id"] = "Text template"
    answer = ada.ask("create_agent", agent_json=agent)
    assert answer["type"] == "agent_saved"
    assert answer["fixes_applied"]


def test_problems_are_listed_and_nothing_is_saved(ada: Builder) -> None:
    """Each says what to do."""
    answer = ada.ask("create_agent", agent_json={**AGENT, "links": []})
    assert (answer["type"], answer["code"]) == ("error", "agent_invalid")
    assert "result" in {problem["node_id"] for problem in answer["details"]["problems"]}
    assert answer["details"]["problems"][0]["message"] in answer["message"]
    assert ada.library.page("ada", 10).agents == []


def test_what_was_made_of_an_older_version_replaces_no_newer_one(ada: Builder) -> None:
    made = ada.ask("create_agent", agent_json=AGENT)["library_agent_id"]
    ada.library.save(ada.library.get("ada", made), Graph.model_validate({**AGENT, "name": "By hand"}))
    late = {"agent_id": made, "agent_json": {**AGENT, "name": "Too late"}}
    assert ada.ask("edit_agent", **late, version=1)["code"] == "agent_changed"
    assert ada.library.get("ada", made).name == "By hand"
    assert ada.ask("edit_agent", **late, version=2)["version"] == 3


def test_in_a_dry_run_an_agent_is_only_shown(parley: Parley) -> None:
    """Built from a graph or from words."""
    ada = builder(parley, dry_run=True)
    assert ada.ask("create_agent", agent_json=AGENT)["type"] == "agent_preview"
    assert ada.ask("create_agent", PLAN, json.dumps(AGENT), description="Greet")["type"] == "agent_preview"
    assert ada.library.page("ada", 10).agents == []


@pytest.mark.parametrize("sent", ["an agent, please", "{", "[1, 2]", '"text"'])
def test_what_is_no_object_is_said_so(ada: Builder, sent: str) -> None:
    """Not a crash."""
    assert ada.ask("create_agent", agent_json=sent)["code"] == "agent_json_invalid"


def test_a_call_without_either_is_told(ada: Builder) -> None:
    """Nothing begins."""
    assert "agent_json or a description" in ada.ask("create_agent")["message"]
    assert "agent_json or changes" in ada.ask("edit_agent", agent_id="A1", changes=" ")["message"]


def test_the_same_call_again_saves_once(ada: Builder) -> None:
    """After a kill behind the save: the agent's id comes from the call's."""
    from shared.agents.tools.create_agent import CreateAgentInput
    from shared.tools.contract import ToolContext

    tool = ada.parley.engine.toolbox.get("create_agent")
    assert tool is not None
    context = ToolContext("ada", ada.session.id, "T1", "c1")
    arguments = CreateAgentInput(agent_json=AGENT)
    assert tool.run(context, arguments) == tool.run(context, arguments)
    assert len(ada.library.page("ada", 10).agents) == 1


def test_the_same_graph_makes_no_further_version(ada: Builder) -> None:
    """So an edit that is repeated is made once."""
    made = ada.ask("create_agent", agent_json=AGENT)
    changed = {**AGENT, "description": "Other words."}
    assert ada.ask("edit_agent", agent_id=made["library_agent_id"], agent_json=changed)["version"] == 2
    assert ada.ask("edit_agent", agent_id=made["library_agent_id"], agent_json=changed)["version"] == 2


def test_an_agent_of_one_megabyte_comes_as_a_file(parley: Parley) -> None:
    """All of it is saved; one byte more is refused, and so is a file that isn't there."""
    desk = build_desk(parley.database, parley.clock, parley.watch)
    desk.quota, path = 10_000_000, "workspace://agent.json"
    ada = builder(parley, objects=desk.objects)
    agent = with_filling(MAX_GRAPH_BYTES - 1)
    context = desk.call(session=ada.session.id)
    body = json.dumps(agent, ensure_ascii=False).encode()
    assert MAX_GRAPH_BYTES - 3 <= len(body) <= MAX_GRAPH_BYTES
    desk.workspace.write(context, "agent.json", body, "application/json", overwrite=True)
    ada.ask("get_agent_building_guide")
    assert '"valid":true' in ada.ask("validate_agent_graph", agent_json=path)["preview"]
    assert '"graph_fixed"' in ada.ask("fix_agent_graph", agent_json=path)["preview"]
    answer = ada.ask("create_agent", agent_json=path)
    assert answer["type"] == "agent_saved", answer
    kept = ada.library.graph(ada.library.get("ada", answer["library_agent_id"]))
    assert kept == Graph.model_validate(agent)
    agent["nodes"][0]["input_default"]["default"] += "x" * 500
    larger = json.dumps(agent, ensure_ascii=False).encode()
    again = desk.call(session=ada.session.id)
    desk.workspace.write(again, "agent.json", larger, "application/json", overwrite=True)
    assert ada.ask("create_agent", agent_json=path)["code"] == "agent_json_too_large"
    assert ada.ask("create_agent", agent_json="workspace://other.json")["code"] == "file_not_found"


def test_a_call_that_was_too_long_is_told_why(ada: Builder) -> None:
    """A model's arguments are cut at 80,000 bytes."""
    answer = ada.ask("create_agent", agent_json=with_filling(90_000, "x"))
    assert answer["code"] == "invalid_json"
    assert "80,000 bytes" in answer["message"]


def test_a_large_preview_can_be_saved_from_where_it_is_kept(parley: Parley) -> None:
    """Its reference is an agent_json too."""
    desk = build_desk(parley.database, parley.clock, parley.watch)
    parley.engine = replace(parley.engine, spill=desk.outputs)
    ada = builder(parley, objects=desk.objects)
    preview = ada.ask("create_agent", agent_json=with_filling(75_000, "x"), save=False)
    assert preview["type"] == "output_too_large"
    assert ada.ask("create_agent", agent_json=preview["reference"])["type"] == "agent_saved"


def test_objects_are_found_in_any_words() -> None:
    """The longest one; and rubbish of any kind ends soon."""
    assert object_in('{"a": 1} and {"b": {"c": [1, 2]}} and }{') == {"b": {"c": [1, 2]}}
    assert object_in("{" * 100_000) is None
    assert object_in('{"a":' * 50_000) is None
    assert object_in('{"a": NaN}') is None
    assert object_in("") is None
