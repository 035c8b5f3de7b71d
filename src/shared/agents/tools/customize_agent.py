"""`customize_agent`: a changed copy of a published agent, or of an own one, in the user's library."""

from typing import ClassVar

from pydantic import Field

from shared.agents.building.workshop import Job
from shared.agents.tools.building_tool import MAX_GOAL_CHARACTERS, WordsInput, WordsTool
from shared.tools.contract import ToolInput


class CustomizeAgentInput(WordsInput):
    """Which agent, and what is to be different."""

    agent_id: str = Field(
        min_length=1, max_length=150, description="username/agent-slug of a published agent, or a library id."
    )
    changes: str = Field(min_length=1, max_length=MAX_GOAL_CHARACTERS, description="What is to be different.")

    def job(self) -> Job:
        """What is asked for."""
        parts = tuple(self.library_agent_ids)
        return Job(self.changes.strip(), self.context.strip(), parts, self.save, copies=self.agent_id.strip())


class CustomizeAgent(WordsTool[CustomizeAgentInput]):
    """The generator changes it; it needs no guide, because its caller writes no graph."""

    name: ClassVar[str] = "customize_agent"
    description: ClassVar[str] = (
        "Put a changed copy of a published agent, or of one of the user's own, into the user's library. Takes minutes; "
        "the result comes by itself."
    )
    input_model: ClassVar[type[ToolInput]] = CustomizeAgentInput
