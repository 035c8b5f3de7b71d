"""Building an agent for a tool: from JSON, or from words by a generator; checked, and then saved or shown."""

from dataclasses import asdict, dataclass
from typing import Any

from shared.agents.building.agent_json import AgentJson, AgentJsonReader
from shared.agents.building.checking import Checked, checked
from shared.agents.building.generator import (
    Generator,
    Instructions,
    Order,
    Plan,
    Questions,
    Unachievable,
    Vague,
    plan_in,
)
from shared.agents.building.keeping import Base, Keeper
from shared.agents.building.parts import Parts
from shared.agents.building.responses import AgentPreview, AgentSaved, ClarificationNeeded, SuggestedGoal
from shared.agents.building.showing import not_saved, preview, refused
from shared.agents.graphs.model import Graph
from shared.agents.offered import OfferedBlocks
from shared.kernel.errors import ToolError, UserInputError
from shared.tools.contract import ErrorResponse, ToolContext
from shared.tools.long_running import HandedOff, Progress, WorkContext

Built = AgentSaved | AgentPreview
Answered = Built | ClarificationNeeded | SuggestedGoal | ErrorResponse


@dataclass(frozen=True)
class Job:
    """What a call asks for."""

    goal: str
    background: str = ""
    part_ids: tuple[str, ...] = ()
    save: bool = True
    edits: str = ""
    """The user's agent that is changed; empty: a new one is made."""
    version: int = 0
    """The version of it that was changed; 0: the one that runs."""
    copies: str = ""
    """The published or own agent of which a changed copy is made."""


class Workshop:
    """What the tools that make agents share."""

    def __init__(
        self, blocks: OfferedBlocks, keeper: Keeper, parts: Parts, generator: Generator, reader: AgentJsonReader
    ) -> None:
        self._blocks = blocks
        self._keeper = keeper
        self._parts = parts
        self._generator = generator
        self._reader = reader

    # -- from JSON -----------------------------------------------------------------------------

    def take(self, context: ToolContext, job: Job, given: AgentJson) -> Built | ErrorResponse:
        """Check what was given, and save it.

        Raises:
            ToolError: it can't be read, or there is no such agent to be changed.
        """
        base = self._found(context, job) if job.edits else None
        done = self._checked(context, self._reader.read(context, given))
        if done.graph is None:
            return refused(done, "agent_json has problems; nothing was saved.")
        if not job.save or context.dry_run:
            return preview(done.graph, done)
        try:
            return self._saved(context, base, done.graph, done)
        except UserInputError as error:
            return ErrorResponse(code=error.code.lower(), message=error.message)

    # -- from words ----------------------------------------------------------------------------

    def build(self, context: WorkContext, job: Job, progress: Progress) -> Answered | HandedOff:
        """Plan and generate; a generator that calls back brings the rest to `finish`.

        Raises:
            ToolError: the generator's failure, or there is no such agent.
        """
        order = self._order(context, job)
        progress("Planning the agent.", 0, 2)
        plan = self._generator.plan(context, order)
        if not isinstance(plan, Instructions):
            return _asked_back(plan, job)
        progress("Building the agent.", 1, 2)
        made = self._generator.generate(context, order, plan, lambda graph: self._checked(context, graph).told)
        return made if isinstance(made, HandedOff) else self.finish(context, job, made)

    def finish(self, context: WorkContext, job: Job, brought: Any) -> Answered:
        """Check what a generator has brought, and save it.

        Raises:
            ToolError: the generator says that it has failed.
        """
        _require_success(brought)
        if isinstance(brought, dict) and "nodes" not in brought and str(brought.get("type")) in _ASKING_BACK:
            return _asked_back(plan_in(brought), job)
        done = self._checked(context, brought)
        if done.graph is None:
            message = "The generator has brought no agent that could run; nothing was saved."
            return refused(done, message, code="generator_invalid_response", brought=brought)
        if not job.save or context.dry_run:
            return preview(done.graph, done)
        try:
            return self._saved(context, self._base(context, job), done.graph, done)
        except (UserInputError, ToolError) as error:
            return not_saved(done.graph, error.code.lower(), error.message)

    def _checked(self, context: ToolContext, sent: Any) -> Checked:
        return checked(sent, self._blocks.for_agents(context))

    def _order(self, context: WorkContext, job: Job) -> Order:
        base = self._base(context, job)
        current: Graph | None = None
        if base:
            current = self._keeper.graph(self._keeper.find(context.user_id, base.agent_id))
        elif job.copies:
            current = self._keeper.source(context.user_id, job.copies)
        without = base.agent_id if base else job.copies
        parts = context.journal.once("parts", lambda: self._find_parts(context, job, without))
        return Order(job.goal, job.background, parts, _without_secrets(current) if current else None)

    def _find_parts(self, context: WorkContext, job: Job, without: str) -> list[dict[str, Any]]:
        if job.part_ids:
            return self._parts.named(context.user_id, job.part_ids, without)
        return self._parts.fitting(context.user_id, job.goal, without)

    def _base(self, context: WorkContext, job: Job) -> Base | None:
        """The agent that is changed, as it was at first: what is built is built upon that."""
        if not job.edits:
            return None
        found = context.journal.once("base", lambda: asdict(self._found(context, job)))
        return Base(**found)

    def _found(self, context: ToolContext, job: Job) -> Base:
        agent = self._keeper.find(context.user_id, job.edits)
        return Base(agent.id, agent.graph_id, job.version or agent.version)

    def _saved(self, context: ToolContext, base: Base | None, graph: Graph, done: Checked) -> AgentSaved:
        agent = self._keeper.change(context.user_id, base, graph) if base else self._keeper.add(context, graph)
        return AgentSaved(
            message=f"{agent.name} is saved. Show the user the link; run_agent runs it.",
            agent_id=agent.graph_id,
            agent_name=agent.name,
            version=agent.version,
            library_agent_id=agent.id,
            library_agent_link=agent.link,
            agent_page_link=agent.link,
            fixes_applied=done.fixes,
        )


_ASKING_BACK = frozenset({"clarifying_questions", "vague_goal", "unachievable_goal"})


def _without_secrets(graph: Graph) -> dict[str, Any]:
    """As generators are shown it."""
    from shared.agents.graphs.secrets import without_secrets  # knows blocks, which no cold start should pay for

    return without_secrets(graph)[0].to_json()


def _asked_back(plan: Plan, job: Job) -> ClarificationNeeded | SuggestedGoal:
    if isinstance(plan, Questions):
        message = "Ask the user these questions, and call this again with the answers in context."
        return ClarificationNeeded(message=message, questions=plan.questions)
    assert isinstance(plan, Vague | Unachievable), "nobody asks back with instructions"
    return SuggestedGoal(
        message="Propose the suggested goal to the user, and call this again with what they agree to.",
        goal_type="vague" if isinstance(plan, Vague) else "unachievable",
        original_goal=job.goal,
        suggested_goal=plan.suggested_goal,
        reason=plan.reason,
    )


def _require_success(brought: Any) -> None:
    if not isinstance(brought, dict) or brought.get("success", True) is not False:
        return
    words = str(brought.get("error") or brought.get("message") or "it gives no reason")[:1_000]
    raise ToolError(f"The generator has failed: {words}", code="generator_failed")
