"""Building with the deployment's own model: plan, draft, repair, save; each once, whatever is killed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.permissions import Level, Permissions
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.library.text_template import TextTemplate
from shared.agents.graphs.model import Graph
from tests.support.building import AGENT, PLAN, Builder, builder
from tests.support.model import fails, says
from tests.support.region import Parley
from tests.unit.chat.test_operations import Unfinished

GRAPH = json.dumps(AGENT)
WRONG = json.dumps({**AGENT, "links": []})


@pytest.fixture
def ada(parley: Parley) -> Builder:
    return builder(parley)


def material(builder: Builder, question: int) -> dict[str, Any]:
    """What the model was given for the n-th question of the work."""
    asked = [one.messages for one in builder.parley.model.requests if not one.tools]
    found: dict[str, Any] = json.loads(asked[question][1]["content"])
    return found


def test_a_description_becomes_an_agent(ada: Builder) -> None:
    """Planned, drafted and saved in the library; the answer links to it."""
    answer = ada.ask("create_agent", PLAN, GRAPH, description="Say something about a topic", context="Be short.")
    [agent] = ada.library.page("ada", 10).agents
    assert answer == {
        "type": "agent_saved",
        "message": answer["message"],
        "agent_id": agent.graph_id,
        "agent_name": "Say something about a topic",
        "version": 1,
        "library_agent_id": agent.id,
        "library_agent_link": f"/#agent={agent.id}",
        "agent_page_link": f"/#agent={agent.id}",
        "fixes_applied": [],
    }
    assert ada.library.graph(agent) == Graph.model_validate(AGENT)
    assert material(ada, 0)["goal"] == "Say something about a topic"
    assert material(ada, 1)["context"] == "Be short."
    assert material(ada, 1)["instructions"]["steps"][0] == "Take a topic."


def test_it_is_an_operation(ada: Builder) -> None:
    """The turn goes on at once, and the result takes the call's place."""
    ada.begin("create_agent", PLAN, GRAPH, description="Say something")
    assert ada.operation.kind == "operation"
    assert ada.library.page("ada", 10).agents == []
    ada.parley.drain_all()
    assert ada.result()["type"] == "agent_saved"


@pytest.mark.parametrize(
    "draft",
    [
        f"```json\n{GRAPH}\n```",
        f"Here is {{your}} agent:\n\n{GRAPH}\n\nI hope that it {{helps}}.",
        json.dumps({"agent_json": AGENT}),
        json.dumps({"agent": GRAPH}),
    ],
)
def test_a_draft_may_be_wrapped(ada: Builder, draft: str) -> None:
    """In a code fence, in words, in another object, or as a text in one."""
    assert ada.ask("create_agent", PLAN, draft, description="Say something")["type"] == "agent_saved"


def test_a_wrong_draft_is_repaired_by_the_model(ada: Builder) -> None:
    """It is told what is wrong with what it has written."""
    answer = ada.ask("create_agent", PLAN, "Sure, I'll do that!", WRONG, GRAPH, description="Say something")
    assert answer["type"] == "agent_saved"
    assert material(ada, 2)["problems"] == ["It is not a JSON object."]
    assert material(ada, 3)["draft"] == json.loads(WRONG)
    assert any("Node result" in problem for problem in material(ada, 3)["problems"])


def test_a_model_that_stays_wrong_is_a_clear_answer(ada: Builder) -> None:
    """After three repairs; nothing is saved."""
    answer = ada.ask("create_agent", PLAN, *[WRONG] * 4, description="Say something")
    assert (answer["type"], answer["code"]) == ("error", "generator_invalid_response")
    assert "after 3 repairs" in answer["message"]
    assert "result" in answer["message"]
    assert ada.library.page("ada", 10).agents == []


def test_a_plan_that_is_none_is_asked_for_once_more(ada: Builder) -> None:
    """Then it is a clear answer."""
    assert ada.ask("create_agent", "Good idea!", PLAN, GRAPH, description="Say it")["type"] == "agent_saved"
    answer = ada.ask("create_agent", "Good idea!", '{"type": "wish"}', description="Say something else")
    assert answer["code"] == "generator_invalid_response"


def test_questions_go_to_the_user(ada: Builder) -> None:
    """With a keyword and an example each; nothing is built."""
    asked = {"question": "Which town?", "keyword": "town", "example": "Bergen"}
    plan = json.dumps({"type": "clarifying_questions", "questions": [asked]})
    answer = ada.ask("create_agent", plan, description="Tell the weather")
    assert (answer["type"], answer["questions"]) == ("clarification_needed", [asked])


@pytest.mark.parametrize(("kind", "told"), [("vague_goal", "vague"), ("unachievable_goal", "unachievable")])
def test_a_goal_that_cannot_be_built_brings_another_one(ada: Builder, kind: str, told: str) -> None:
    """For the user to agree to."""
    plan = json.dumps({"type": kind, "suggested_goal": "Tell the time.", "reason": "It is too much."})
    answer = ada.ask("create_agent", plan, description="Make me happy")
    assert (answer["type"], answer["goal_type"], answer["suggested_goal"], answer["original_goal"]) == (
        "suggested_goal",
        told,
        "Tell the time.",
        "Make me happy",
    )


def test_a_preview_saves_nothing(ada: Builder) -> None:
    """It has the whole graph, to be shown and to be sent again."""
    answer = ada.ask("create_agent", PLAN, GRAPH, description="Say something", save=False)
    assert (answer["type"], answer["node_count"], answer["link_count"]) == ("agent_preview", 3, 2)
    assert Graph.model_validate(answer["agent_json"]) == Graph.model_validate(AGENT)
    assert ada.library.page("ada", 10).agents == []


def test_an_edit_saves_the_next_version(ada: Builder) -> None:
    """The model is given the graph as it is; by the library's id, or by the graph's."""
    made = ada.ask("create_agent", agent_json=AGENT)
    changed = json.dumps({**AGENT, "description": "Now in Norwegian."})
    answer = ada.ask("edit_agent", PLAN, changed, agent_id=made["agent_id"], changes="Speak Norwegian")
    assert (answer["type"], answer["version"], answer["library_agent_id"]) == (
        "agent_saved",
        2,
        made["library_agent_id"],
    )
    assert Graph.model_validate(material(ada, 1)["current_agent"]) == Graph.model_validate(AGENT)
    assert ada.library.get("ada", made["library_agent_id"]).description == "Now in Norwegian."


def test_an_agent_that_was_changed_meanwhile_is_not_overwritten(ada: Builder) -> None:
    """The answer says so, and has what was built."""
    made = ada.ask("create_agent", agent_json=AGENT)
    agent = ada.library.get("ada", made["library_agent_id"])

    def interfere() -> None:
        ada.library.save(agent, Graph.model_validate({**AGENT, "name": "By hand"}))

    changed = {**AGENT, "description": "By the model."}
    ada.begin("edit_agent", agent_id=agent.id, changes="Be different")
    ada.parley.model.scripts[2:] = [says(PLAN), [interfere, *says(json.dumps(changed))], says("Done.")]
    ada.parley.drain_all()
    answer = ada.result()
    assert (answer["code"], answer["details"]["reason"]) == ("agent_not_saved", "agent_changed")
    assert answer["details"]["agent_json"]["description"] == "By the model."
    assert ada.library.get("ada", agent.id).name == "By hand"


@pytest.mark.parametrize("tool", ["edit_agent", "customize_agent"])
def test_somebody_elses_agent_does_not_exist(ada: Builder, tool: str) -> None:
    """Also not as a source."""
    made = ada.ask("create_agent", agent_json=AGENT)
    grace = builder(ada.parley, user="grace")
    missing = grace.ask(tool, PLAN, GRAPH, agent_id="NOSUCHAGENT", changes="Be mine")
    foreign = grace.ask(tool, PLAN, GRAPH, agent_id=made["library_agent_id"], changes="Be mine")
    assert missing == foreign
    assert foreign["code"] == "agent_not_found"


def test_a_published_agent_is_customized_as_a_copy(parley: Parley) -> None:
    """It is the user's own; the published one stays, and no guide is needed."""
    ada = builder(parley, has_read=False)
    answer = ada.ask("customize_agent", PLAN, GRAPH, agent_id="Parley/compare-two-texts", changes="Only two lines")
    assert answer["type"] == "agent_saved"
    assert material(ada, 0)["current_agent"]["name"] == "Compare two texts"
    assert ada.library.get("ada", answer["library_agent_id"]).owns_graph


def test_named_parts_are_told_and_unknown_ones_skipped(ada: Builder) -> None:
    """Also somebody else's; the edited agent is left out."""
    one = ada.ask("create_agent", agent_json=AGENT)["library_agent_id"]
    two = ada.ask("create_agent", agent_json={**AGENT, "name": "Second"})["library_agent_id"]
    other = builder(ada.parley, user="grace").ask("create_agent", agent_json=AGENT)["library_agent_id"]
    ada.ask(
        "edit_agent", PLAN, GRAPH, agent_id=one, changes="Use it", library_agent_ids=[one, "NOSUCH", other, two, two]
    )
    [part] = material(ada, 0)["library_agents"]
    assert (part["library_agent_id"], part["name"]) == (two, "Second")
    assert part["inputs"]["properties"]["topic"] == {"default": "rivers"}


def test_without_ids_library_and_marketplace_are_searched(ada: Builder) -> None:
    """For what fits the goal."""
    ada.ask("create_agent", agent_json={**AGENT, "name": "Compare two prices"})
    ada.ask("create_agent", PLAN, GRAPH, description="Compare two texts")
    found = material(ada, 0)["library_agents"]
    assert found[0]["name"] == "Compare two prices"
    assert "parley/compare-two-texts" in [one.get("slug") for one in found]


def test_a_kill_repeats_no_question_and_saves_once(ada: Builder) -> None:
    """Killed behind the save: what the model has said is in the journal, and the agent has its id from the call."""
    parley = ada.parley
    ada.begin("create_agent", PLAN, GRAPH, description="Say something")
    task, workers = ada.operation, parley.engine.workers
    parley.engine = replace(parley.engine, workers=Unfinished(parley.clock))
    parley.run(parley.runs_waiting()[0])
    assert len(ada.library.page("ada", 10).agents) == 1
    assert not parley.task(task.id).status.ended
    parley.engine = replace(parley.engine, workers=workers)
    parley.drain_all()
    assert (ada.result()["type"], parley.task(task.id).status) == ("agent_saved", "completed")
    asked = [one for one in parley.model.requests if not one.tools]
    assert len(asked) == 2
    assert len(ada.library.page("ada", 10).agents) == 1


def test_a_kill_edits_once(ada: Builder) -> None:
    """Killed behind the save: what is there already is not saved again."""
    parley = ada.parley
    made = ada.ask("create_agent", agent_json=AGENT)
    changed = json.dumps({**AGENT, "description": "Different."})
    ada.begin("edit_agent", PLAN, changed, agent_id=made["library_agent_id"], changes="Be different")
    workers = parley.engine.workers
    parley.engine = replace(parley.engine, workers=Unfinished(parley.clock))
    parley.run(parley.runs_waiting()[0])
    parley.engine = replace(parley.engine, workers=workers)
    parley.drain_all()
    assert (ada.result()["type"], ada.result()["version"]) == ("agent_saved", 2)
    assert ada.library.get("ada", made["library_agent_id"]).version == 2


def test_a_model_that_fails_is_a_clear_answer(ada: Builder) -> None:
    """With the model's own code."""
    ada.begin("create_agent", description="Say something")
    ada.parley.model.scripts[2:] = [fails("model_refused", retryable=False), says("Done.")]
    ada.parley.drain_all()
    assert ada.result()["code"] == "model_refused"


def test_the_guide_must_have_been_read(parley: Parley) -> None:
    """Both gated tools refuse, and say so in their descriptions; the other one doesn't."""
    ada = builder(parley, has_read=False)
    created = ada.ask("create_agent", agent_json=AGENT)
    edited = ada.ask("edit_agent", agent_id="A1", changes="x")
    assert (created["code"], edited["code"]) == ("guide_required", "guide_required")
    for name, gated in (("create_agent", True), ("edit_agent", True), ("customize_agent", False)):
        tool = parley.engine.toolbox.get(name)
        assert tool is not None
        assert (tool.needs_guide, "get_agent_building_guide" in tool.description) == (gated, gated)


def test_an_agent_is_built_of_what_the_session_may_use(parley: Parley) -> None:
    """Blocks that are denied are not listed for the model, and refused at once and in an operation."""
    denied = Permissions((Level(blocks=frozenset({"Text template"})),))
    ada = builder(parley, permissions=denied)
    assert ada.ask("create_agent", agent_json=AGENT)["code"] == "agent_invalid"
    assert ada.ask("create_agent", PLAN, *[GRAPH] * 4, description="Say it")["code"] == "generator_invalid_response"
    asked = [one for one in parley.model.requests if not one.tools]
    assert TextTemplate.description not in asked[0].messages[0]["content"]
    assert AgentOutput.description in asked[0].messages[0]["content"]
