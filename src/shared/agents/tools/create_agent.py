"""`create_agent`: a new agent, from its graph or from a description."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from shared.agents.building.workshop import Job
from shared.agents.tools.building_tool import MAX_GOAL_CHARACTERS, BuildingInput, BuildingTool
from shared.tools.contract import ToolInput


class CreateAgentInput(BuildingInput):
    """What to build: agent_json, or a description."""

    description: str = Field(default="", max_length=MAX_GOAL_CHARACTERS, description="What the agent is to do.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.agent_json is None and not self.description.strip():
            raise ValueError("give agent_json or a description")
        return self

    def job(self) -> Job:
        """What is asked for."""
        return Job(self.description.strip(), self.context.strip(), tuple(self.library_agent_ids), self.save)


class CreateAgent(BuildingTool[CreateAgentInput]):
    """Builds."""

    name: ClassVar[str] = "create_agent"
    description: ClassVar[str] = (
        "Create an agent from agent_json (repaired, validated, saved at once) or from a description (takes minutes; "
        "the result comes by itself). Call get_agent_building_guide first."
    )
    input_model: ClassVar[type[ToolInput]] = CreateAgentInput
