"""`get_agent_building_guide`: how agents are built, which opens the tools that build them."""

from typing import ClassVar, Literal

from shared.agents.offered import OfferedBlocks
from shared.tools.contract import GUIDE_TOOL, Tool, ToolContext, ToolInput, ToolResponse


class GetAgentBuildingGuideInput(ToolInput):
    """Nothing."""


class AgentBuildingGuide(ToolResponse):
    """What whoever builds an agent must know."""

    type: Literal["agent_building_guide"] = "agent_building_guide"
    guide: str
    """Markdown."""


class GetAgentBuildingGuide(Tool[GetAgentBuildingGuideInput]):
    """Writes it from the blocks that the session may use."""

    name: ClassVar[str] = GUIDE_TOOL
    description: ClassVar[str] = (
        "How to build agents: the graph format, how values flow, all blocks with inputs and outputs, an example. Read "
        "it before create_agent, edit_agent, validate_agent_graph and fix_agent_graph, once a session."
    )
    input_model: ClassVar[type[ToolInput]] = GetAgentBuildingGuideInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, blocks: OfferedBlocks) -> None:
        self._blocks = blocks

    def run(self, context: ToolContext, arguments: GetAgentBuildingGuideInput) -> AgentBuildingGuide:  # noqa: ARG002 - has none
        """Write it."""
        from shared.agents.building.guide import building_guide  # knows blocks, which no cold start should pay for

        guide = building_guide(self._blocks.for_agents(context))
        return AgentBuildingGuide(message="From the next step on agents can be built in this session.", guide=guide)
