"""`edit_agent`: a further version of an agent of the user's, from its graph or from what is to change."""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from shared.agents.building.agent_json import AGENT_JSON, AgentJson
from shared.agents.building.parts import MOST_NAMED
from shared.agents.building.responses import AgentPreview, AgentSaved, ClarificationNeeded, SuggestedGoal
from shared.agents.building.workshop import Job, Workshop
from shared.agents.tools.create_agent import CONTEXT, MAX_CONTEXT_CHARACTERS, MAX_GOAL_CHARACTERS, MAX_SECONDS, PARTS
from shared.tools.contract import ErrorResponse, ToolContext, ToolInput
from shared.tools.long_running import HandedOff, LongRunningTool, Progress, WorkContext


class EditAgentInput(ToolInput):
    """Which agent, and agent_json or the changes."""

    agent_id: str = Field(min_length=1, max_length=100, description="Library id of the agent.")
    changes: str = Field(default="", max_length=MAX_GOAL_CHARACTERS, description="What is to change.")
    context: str = Field(default="", max_length=MAX_CONTEXT_CHARACTERS, description=CONTEXT)
    agent_json: AgentJson | None = Field(default=None, description=AGENT_JSON)
    library_agent_ids: list[str] = Field(default_factory=list, max_length=MOST_NAMED, description=PARTS)
    save: bool = Field(default=True, description="false: only show what would be saved.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.agent_json is None and not self.changes.strip():
            raise ValueError("give agent_json or changes")
        return self

    def job(self) -> Job:
        """What is asked for."""
        parts = tuple(self.library_agent_ids)
        return Job(self.changes.strip(), self.context.strip(), parts, self.save, edits=self.agent_id.strip())


class EditAgent(LongRunningTool[EditAgentInput]):
    """Answers at once with agent_json; changes in words are an operation's work."""

    name: ClassVar[str] = "edit_agent"
    description: ClassVar[str] = (
        "Change an agent of the user's library: by agent_json, the whole new graph (repaired, validated, saved at "
        "once), or by changes in words (takes minutes; the result comes by itself). Call get_agent_building_guide "
        "first."
    )
    input_model: ClassVar[type[ToolInput]] = EditAgentInput
    requires_auth: ClassVar[bool] = True
    needs_guide: ClassVar[bool] = True
    finishes: ClassVar[bool] = True
    max_seconds: ClassVar[int] = MAX_SECONDS

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def answers_at_once(self, arguments: EditAgentInput) -> bool:
        """With the graph at hand."""
        return arguments.agent_json is not None

    def run(self, context: ToolContext, arguments: EditAgentInput) -> AgentSaved | AgentPreview | ErrorResponse:
        """Check and save."""
        assert arguments.agent_json is not None, "an operation does the rest"
        return self._workshop.take(context, arguments.job(), arguments.agent_json)

    def work(
        self, context: WorkContext, arguments: EditAgentInput, progress: Progress
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse | HandedOff:
        """Let the generator change it."""
        return self._workshop.build(context, arguments.job(), progress)

    def finish(
        self, context: WorkContext, arguments: EditAgentInput, brought: Any
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse:
        """Check and save what the generator has brought."""
        return self._workshop.finish(context, arguments.job(), brought)
