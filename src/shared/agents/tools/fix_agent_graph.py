"""`fix_agent_graph`: the mechanical repairs of a graph, each said."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.agents.building.agent_json import AGENT_JSON, AgentJson, AgentJsonReader
from shared.agents.offered import OfferedBlocks
from shared.agents.tools.validate_agent_graph import GraphProblem
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse


class FixAgentGraphInput(ToolInput):
    """The graph."""

    agent_json: AgentJson = Field(description=AGENT_JSON)


class FixedGraph(ToolResponse):
    """The graph after the repairs, and what is left to do."""

    type: Literal["graph_fixed"] = "graph_fixed"
    valid: bool
    agent_json: Any
    fixes_applied: list[str]
    problems: list[GraphProblem]


class FixAgentGraph(Tool[FixAgentGraphInput]):
    """Repairs the graph, and saves nothing."""

    name: ClassVar[str] = "fix_agent_graph"
    description: ClassVar[str] = (
        "Repair the form of an agent's graph: ids, names of blocks and pins, dangling links, simple types. Tells "
        "what was done and what is left. Needs get_agent_building_guide read in an earlier step."
    )
    input_model: ClassVar[type[ToolInput]] = FixAgentGraphInput
    requires_auth: ClassVar[bool] = True
    needs_guide: ClassVar[bool] = True

    def __init__(self, blocks: OfferedBlocks, reader: AgentJsonReader) -> None:
        self._blocks = blocks
        self._reader = reader

    def run(self, context: ToolContext, arguments: FixAgentGraphInput) -> FixedGraph:
        """Repair it."""
        from shared.agents.graphs.fixes import fixed  # knows blocks, which no cold start should pay for

        result = fixed(self._reader.opened(context, arguments.agent_json), self._blocks.for_agents(context))
        left = (
            f"{len(result.problems)} problems are left; correct them yourself." if result.problems else "It is sound."
        )
        done = f"{len(result.applied)} repairs." if result.applied else "There was nothing to repair."
        return FixedGraph(
            message=f"{done} {left} Nothing is saved.",
            valid=result.sound,
            agent_json=result.raw,
            fixes_applied=result.applied,
            problems=[GraphProblem(**vars(one)) for one in result.problems],
        )
