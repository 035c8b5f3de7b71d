"""What `create_agent` and `edit_agent` share: from a graph at once, or from words as an operation."""

from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import Field

from shared.agents.building.agent_json import AGENT_JSON, AgentJson
from shared.agents.building.parts import MOST_NAMED
from shared.agents.building.responses import AgentPreview, AgentSaved, ClarificationNeeded, SuggestedGoal
from shared.agents.building.workshop import Job, Workshop
from shared.tools.contract import ErrorResponse, ToolContext, ToolInput
from shared.tools.long_running import HandedOff, LongRunningTool, Progress, WorkContext

MAX_GOAL_CHARACTERS = 10_000
MAX_CONTEXT_CHARACTERS = 20_000
MAX_SECONDS = 1_800
CONTEXT = "What else is known: answers to questions, examples."
PARTS = "Library agents to build from; none: fitting ones are looked for."


class BuildingInput(ToolInput):
    """What both take."""

    context: str = Field(default="", max_length=MAX_CONTEXT_CHARACTERS, description=CONTEXT)
    agent_json: AgentJson | None = Field(default=None, description=AGENT_JSON)
    library_agent_ids: list[str] = Field(default_factory=list, max_length=MOST_NAMED, description=PARTS)
    save: bool = Field(default=True, description="false: only show what would be saved.")

    @abstractmethod
    def job(self) -> Job:
        """What is asked for."""


InputT = TypeVar("InputT", bound=BuildingInput)


class BuildingTool(LongRunningTool[InputT], Generic[InputT]):
    """Answers at once with agent_json; words are an operation's work."""

    requires_auth: ClassVar[bool] = True
    needs_guide: ClassVar[bool] = True
    finishes: ClassVar[bool] = True
    max_seconds: ClassVar[int] = MAX_SECONDS

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def answers_at_once(self, arguments: InputT) -> bool:
        """With the graph at hand."""
        return arguments.agent_json is not None

    def run(self, context: ToolContext, arguments: InputT) -> AgentSaved | AgentPreview | ErrorResponse:
        """Check and save."""
        assert arguments.agent_json is not None, "an operation does the rest"
        return self._workshop.take(context, arguments.job(), arguments.agent_json)

    def work(
        self, context: WorkContext, arguments: InputT, progress: Progress
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse | HandedOff:
        """Let the generator build."""
        return self._workshop.build(context, arguments.job(), progress)

    def finish(
        self, context: WorkContext, arguments: InputT, brought: Any
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse:
        """Check and save what the generator has brought."""
        return self._workshop.finish(context, arguments.job(), brought)
