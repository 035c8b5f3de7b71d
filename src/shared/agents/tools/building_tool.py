"""What the tools that make agents share: from words as an operation, and for two of them from a graph at once."""

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
_MAX_CONTEXT_CHARACTERS = 20_000
_MAX_SECONDS = 1_800
_CONTEXT = "What else is known: answers to questions, examples."
_PARTS = "Library agents to build from; none: fitting ones are looked for."


class WordsInput(ToolInput):
    """What all of them take."""

    context: str = Field(default="", max_length=_MAX_CONTEXT_CHARACTERS, description=_CONTEXT)
    library_agent_ids: list[str] = Field(default_factory=list, max_length=MOST_NAMED, description=_PARTS)
    save: bool = Field(default=True, description="false: only show what would be saved.")

    @abstractmethod
    def job(self) -> Job:
        """What is asked for."""


class BuildingInput(WordsInput):
    """The same, or a graph in place of words."""

    agent_json: AgentJson | None = Field(default=None, description=AGENT_JSON)


WordsT = TypeVar("WordsT", bound=WordsInput)
BuildingT = TypeVar("BuildingT", bound=BuildingInput)


class WordsTool(LongRunningTool[WordsT], Generic[WordsT]):
    """Has a generator build what words say, as an operation."""

    requires_auth: ClassVar[bool] = True
    trusted_only: ClassVar[bool] = True
    finishes: ClassVar[bool] = True
    max_seconds: ClassVar[int] = _MAX_SECONDS

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def work(
        self, context: WorkContext, arguments: WordsT, progress: Progress
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse | HandedOff:
        """Let the generator build."""
        return self._workshop.build(context, arguments.job(), progress)

    def finish(
        self, context: WorkContext, arguments: WordsT, brought: Any
    ) -> AgentSaved | AgentPreview | ClarificationNeeded | SuggestedGoal | ErrorResponse:
        """Check and save what the generator has brought."""
        return self._workshop.finish(context, arguments.job(), brought)


class BuildingTool(WordsTool[BuildingT], Generic[BuildingT]):
    """Answers at once with agent_json; its caller knows how graphs are made."""

    needs_guide: ClassVar[bool] = True

    def answers_at_once(self, arguments: BuildingT) -> bool:
        """With the graph at hand."""
        return arguments.agent_json is not None

    def run(self, context: ToolContext, arguments: BuildingT) -> AgentSaved | AgentPreview | ErrorResponse:
        """Check and save."""
        assert arguments.agent_json is not None, "an operation does the rest"
        return self._workshop.take(context, arguments.job(), arguments.agent_json)
