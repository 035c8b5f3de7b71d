"""`customize_agent`: a changed copy of a published agent, or of an own one, in the user's library."""

from typing import Any, ClassVar

from pydantic import Field

from shared.agents.building.parts import MOST_NAMED
from shared.agents.building.responses import AgentPreview, AgentSaved, ClarificationNeeded, SuggestedGoal
from shared.agents.building.workshop import Job, Workshop
from shared.agents.tools.building_tool import CONTEXT, MAX_CONTEXT_CHARACTERS, MAX_GOAL_CHARACTERS, MAX_SECONDS, PARTS
from shared.tools.contract import ErrorResponse, ToolInput
from shared.tools.long_running import HandedOff, LongRunningTool, Progress, WorkContext


class CustomizeAgentInput(ToolInput):
    """Which agent, and what is to be different."""

    agent_id: str = Field(
        min_length=1, max_length=150, description="username/agent-slug of a published agent, or a library id."
    )
    changes: str = Field(min_length=1, max_length=MAX_GOAL_CHARACTERS, description="What is to be different.")
    context: str = Field(default="", max_length=MAX_CONTEXT_CHARACTERS, description=CONTEXT)
    library_agent_ids: list[str] = Field(default_factory=list, max_length=MOST_NAMED, description=PARTS)
    save: bool = Field(default=True, description="false: only show what would be saved.")

    def job(self) -> Job:
        """What is asked for."""
        parts = tuple(self.library_agent_ids)
        return Job(self.changes.strip(), self.context.strip(), parts, self.save, copies=self.agent_id.strip())


class CustomizeAgent(LongRunningTool[CustomizeAgentInput]):
    """The generator changes it; it needs no guide, because its caller writes no graph."""

    name: ClassVar[str] = "customize_agent"
    description: ClassVar[str] = (
        "Put a changed copy of a published agent, or of one of the user's own, into the user's library. Takes minutes; "
        "the result comes by itself."
    )
    input_model: ClassVar[type[ToolInput]] = CustomizeAgentInput
    requires_auth: ClassVar[bool] = True
    finishes: ClassVar[bool] = True
    max_seconds: ClassVar[int] = MAX_SECONDS

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def work(
        self, context: WorkContext, arguments: CustomizeAgentInput, progress: Progress
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse | HandedOff:
        """Let the generator change a copy."""
        return self._workshop.build(context, arguments.job(), progress)

    def finish(
        self, context: WorkContext, arguments: CustomizeAgentInput, brought: Any
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse:
        """Check and save what the generator has brought."""
        return self._workshop.finish(context, arguments.job(), brought)
