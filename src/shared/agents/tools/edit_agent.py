"""`edit_agent`: a further version of an agent of the user's, from its graph or from what is to change."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from shared.agents.building.workshop import Job
from shared.agents.tools.building_tool import MAX_GOAL_CHARACTERS, BuildingInput, BuildingTool
from shared.tools.contract import ToolInput


class EditAgentInput(BuildingInput):
    """Which agent, and agent_json or the changes."""

    agent_id: str = Field(min_length=1, max_length=100, description="Library id of the agent.")
    changes: str = Field(default="", max_length=MAX_GOAL_CHARACTERS, description="What is to change.")
    version: int = Field(default=0, ge=0, description="The one agent_json was made of; a newer one is not replaced.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.agent_json is None and not self.changes.strip():
            raise ValueError("give agent_json or changes")
        return self

    def job(self) -> Job:
        """What is asked for."""
        parts = tuple(self.library_agent_ids)
        agent_id, version = self.agent_id.strip(), self.version
        return Job(self.changes.strip(), self.context.strip(), parts, self.save, edits=agent_id, version=version)


class EditAgent(BuildingTool[EditAgentInput]):
    """Changes."""

    name: ClassVar[str] = "edit_agent"
    description: ClassVar[str] = (
        "Change an agent of the user's library: by agent_json, the whole new graph (repaired, validated, saved at "
        "once), or by changes in words (takes minutes; the result comes by itself). Call get_agent_building_guide "
        "first."
    )
    input_model: ClassVar[type[ToolInput]] = EditAgentInput
