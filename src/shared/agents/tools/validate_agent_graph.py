"""`validate_agent_graph`: what is wrong with a graph."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from shared.agents.building.agent_json import AGENT_JSON, AgentJson, AgentJsonReader
from shared.agents.offered import OfferedBlocks
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse


class ValidateAgentGraphInput(ToolInput):
    """The graph."""

    agent_json: AgentJson = Field(description=AGENT_JSON)


class GraphProblem(BaseModel):
    """One thing that is wrong, and what to do about it."""

    code: str
    node_id: str
    """Empty: the graph as a whole."""
    message: str


class GraphValidation(ToolResponse):
    """Whether the graph may be saved and run."""

    type: Literal["graph_validation"] = "graph_validation"
    valid: bool
    problems: list[GraphProblem]
    inputs: dict[str, Any] | None
    """JSON Schema of what the agent asks for; null unless it is valid."""
    outputs: dict[str, Any] | None
    credentials: list[str]
    """Providers of which the user must connect an account."""
    execution_modes: list[str]


class ValidateAgentGraph(Tool[ValidateAgentGraphInput]):
    """Looks at the graph, and saves nothing."""

    name: ClassVar[str] = "validate_agent_graph"
    description: ClassVar[str] = (
        "Check an agent's graph: all problems with node and remedy. "
        "Needs get_agent_building_guide read in an earlier step."
    )
    input_model: ClassVar[type[ToolInput]] = ValidateAgentGraphInput
    requires_auth: ClassVar[bool] = True
    needs_guide: ClassVar[bool] = True

    def __init__(self, blocks: OfferedBlocks, reader: AgentJsonReader) -> None:
        self._blocks = blocks
        self._reader = reader

    def run(self, context: ToolContext, arguments: ValidateAgentGraphInput) -> GraphValidation:
        """Check it."""
        from shared.agents.graphs import schemas  # know blocks, which no cold start should pay for
        from shared.agents.graphs.validation import problems, read_graph

        blocks = self._blocks.for_agents(context)
        graph = read_graph(self._reader.read(context, arguments.agent_json))
        found = graph if isinstance(graph, list) else problems(graph, blocks)
        if isinstance(graph, list) or found:
            return GraphValidation(
                message=f"{len(found)} problems. Correct them (fix_agent_graph repairs the form) and check again.",
                valid=False,
                problems=[GraphProblem(**vars(one)) for one in found],
                inputs=None,
                outputs=None,
                credentials=[],
                execution_modes=[],
            )
        return GraphValidation(
            message="The graph is sound. Save it with create_agent or edit_agent.",
            valid=True,
            problems=[],
            inputs=schemas.input_schema(graph),
            outputs=schemas.output_schema(graph),
            credentials=schemas.providers_of(graph),
            execution_modes=schemas.execution_modes(graph),
        )
