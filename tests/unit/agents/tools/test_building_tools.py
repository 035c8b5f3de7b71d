"""`get_agent_building_guide`, `validate_agent_graph` and `fix_agent_graph`, called by a chat."""

import json
from typing import Any

import pytest

from shared.accounts.permissions import Permissions
from shared.agents.blocks.contract import BlockServices
from shared.agents.blocks.registry import shipped_blocks
from shared.agents.building.agent_json import AgentJsonReader
from shared.agents.building.guide import EXAMPLE, building_guide
from shared.agents.graphs.fixes import fixed
from shared.agents.graphs.validation import problems, read_graph
from shared.agents.offered import OfferedBlocks
from shared.agents.tools.fix_agent_graph import FixAgentGraph
from shared.agents.tools.get_agent_building_guide import GetAgentBuildingGuide, GetAgentBuildingGuideInput
from shared.agents.tools.validate_agent_graph import ValidateAgentGraph
from shared.tools.contract import ToolContext
from tests.support.graphs import greeting
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.time import FakeClock

GUIDE = ("g", "get_agent_building_guide", "{}")
MOST_GUIDE_BYTES = 30_000


@pytest.fixture
def blocks() -> OfferedBlocks:
    """Those of a deployment that keeps no files: nothing is run here."""
    nobody: Any = None
    return OfferedBlocks(BlockServices(FakeClock(), model=nobody, sub_sessions=nobody))


def guide(blocks: OfferedBlocks, **context: Any) -> str:
    given = ToolContext("ada", "S1", "T1", "call", **context)
    return GetAgentBuildingGuide(blocks).run(given, GetAgentBuildingGuideInput()).guide


def answers(parley: Parley, blocks: OfferedBlocks, *wanted: tuple[str, str, str]) -> list[dict[str, Any]]:
    """The results of the calls of one turn, one step each."""
    reader = AgentJsonReader(None, None)
    checks = (ValidateAgentGraph(blocks, reader), FixAgentGraph(blocks, reader))
    parley.with_tools(GetAgentBuildingGuide(blocks), *checks)
    parley.scripted(*(calls(one) for one in wanted), says("Done"))
    session = parley.new_session()
    parley.send(session)
    parley.drain_queue()
    return [json.loads(row.content) for row in parley.transcript(session) if row.role == "tool"]


def call(tool: str, graph: Any) -> tuple[str, str, str]:
    return (tool, tool, json.dumps({"agent_json": graph}))


# -- the guide ---------------------------------------------------------------------------------


def test_the_guide_is_short_enough_to_be_read() -> None:
    assert len(building_guide(shipped_blocks()).encode()) < MOST_GUIDE_BYTES


def test_the_guide_lists_every_block_with_id_and_pins() -> None:
    """Also AutoPilot, which a chat doesn't run by itself."""
    text = building_guide(shipped_blocks())

    for block in shipped_blocks():
        assert f"- **{block.name}** `{block.id}`" in text
        line = text.partition(f"`{block.id}`: ")[2].partition("\n- **")[0]
        pins = {*block.input_model.model_fields, *block.output_model.model_fields}
        assert [name for name in sorted(pins) if name not in line] == (["error"] if "error" in pins else [])
    assert "items: array|object* [each]" in text


def test_the_guides_example_is_a_sound_graph(blocks: OfferedBlocks) -> None:
    """As it stands there: a model that copies it has a graph that validates."""
    written = guide(blocks).partition("```json\n")[2].partition("```")[0]

    assert json.loads(written) == EXAMPLE
    graph = read_graph(json.loads(written))
    assert not isinstance(graph, list)
    assert problems(graph) == []
    assert fixed(EXAMPLE).applied == []


def test_blocks_that_could_not_run_are_not_in_it(blocks: OfferedBlocks) -> None:
    permissions = Permissions.of_lists(blocks=["http request"])

    assert "**HTTP request**" not in guide(blocks, permissions=permissions)
    assert "**Store a file**" not in guide(blocks)


# -- the other two -----------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["validate_agent_graph", "fix_agent_graph"])
def test_they_need_the_guide_and_say_so(parley: Parley, blocks: OfferedBlocks, tool: str) -> None:
    (refused,) = answers(parley, blocks, call(tool, {}))

    assert refused["code"] == "guide_required"
    described = parley.engine.toolbox.get(tool)
    assert described is not None
    assert "get_agent_building_guide" in described.description


def test_a_sound_graph_is_told_with_what_it_asks_for(parley: Parley, blocks: OfferedBlocks) -> None:
    _, told = answers(parley, blocks, GUIDE, call("validate_agent_graph", greeting().model_dump()))

    assert (told["type"], told["valid"], told["problems"]) == ("graph_validation", True, [])
    assert told["inputs"]["required"] == ["who"]
    assert list(told["outputs"]["properties"]) == ["greeting"]
    assert (told["credentials"], told["execution_modes"]) == ([], ["manual", "scheduled"])


def test_problems_are_told_with_their_nodes(parley: Parley, blocks: OfferedBlocks) -> None:
    broken = greeting().model_dump()
    broken["nodes"][1]["input_default"] = {}
    _, told, malformed = answers(
        parley,
        blocks,
        GUIDE,
        call("validate_agent_graph", broken),
        ("m", *call("validate_agent_graph", {"nodes": 1})[1:]),
    )

    assert (told["valid"], told["inputs"]) == (False, None)
    assert [(one["code"], one["node_id"]) for one in told["problems"]] == [("missing_input", "greet")]
    assert {one["code"] for one in malformed["problems"]} == {"malformed"}


@pytest.mark.parametrize("as_text", [False, True])
def test_a_graph_is_repaired_and_the_repairs_are_listed(parley: Parley, blocks: OfferedBlocks, as_text: bool) -> None:
    broken = greeting().model_dump()
    broken["nodes"][1]["block_id"] = "Text Template"
    _, told = answers(parley, blocks, GUIDE, call("fix_agent_graph", json.dumps(broken) if as_text else broken))

    assert (told["type"], told["valid"], told["problems"]) == ("graph_fixed", True, [])
    assert any("Text Template" in one for one in told["fixes_applied"])
    assert read_graph(told["agent_json"]) == greeting()


def test_a_block_that_is_not_allowed_is_unknown(blocks: OfferedBlocks) -> None:
    """What a session may not run it can't build in either."""
    permissions = Permissions.of_lists(blocks=["text template"])
    tool = ValidateAgentGraph(blocks, AgentJsonReader(None, None))
    arguments = tool.input_model.model_validate({"agent_json": greeting().model_dump()})

    told = tool.run(ToolContext("ada", "S1", "T1", "call", permissions=permissions), arguments)  # type: ignore[arg-type]

    assert [one.code for one in told.problems] == ["unknown_block"]
