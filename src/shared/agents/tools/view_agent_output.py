"""`view_agent_output`: what runs of an agent have brought, also while one still runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.accounts.profile import Profiles
from shared.agents.library.records import LibraryAgent
from shared.agents.running import RunFilter, RunStatus, RunView
from shared.agents.tools import run_answers
from shared.agents.tools.agent_checks import AgentChecks
from shared.agents.tools.agent_means import AgentMeans
from shared.agents.tools.arguments import Words
from shared.agents.tools.following_runs import FollowingRuns
from shared.agents.tools.run_answers import AgentOutput
from shared.agents.tools.run_times import TimeWindow, window_of
from shared.kernel.errors import NotFound, ToolError
from shared.tasks.wait import Wait
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.sub_sessions.contract import WaitSeconds

MOST_FOUND = 10
_DONE: frozenset[RunStatus] = frozenset({"completed"})
_ALSO_RUNNING: frozenset[RunStatus] = frozenset({"completed", "queued", "running", "waiting", "review"})
_NO_AGENT = "No such agent was found in the user's library."
_NO_RUN = "No such run was found."


class ViewAgentOutputInput(ToolInput):
    """Which agent, which run."""

    agent_name: Words = Field(default="", description="About as it is called.")
    library_agent_id: Words = Field(default="", description="Goes before slug and name.")
    store_slug: Words = Field(default="", description="`username/agent-name`; goes before the name.")
    execution_id: Words = Field(default="", description="One run; needs nothing else.")
    run_time: Words = Field(
        default="latest",
        description="latest, today, yesterday, last week, last month, last 7 days, last 30 days, ISO date or time.",
    )
    wait_if_running: WaitSeconds = Field(
        default=0, description="Seconds to wait for the end of a run; counts also those that have not ended."
    )


class NoResults(ToolResponse):
    """There is nothing to show; what is somebody else's is nothing."""

    type: Literal["no_results"] = "no_results"
    suggestions: list[str]


@dataclass(frozen=True)
class _Found:
    """What fits."""

    agent: LibraryAgent
    run: RunView
    others: Sequence[RunView] = ()


class ViewAgentOutput(Tool[ViewAgentOutputInput]):
    """Shows the newest run that fits in full, and lists others."""

    name: ClassVar[str] = "view_agent_output"
    description: ClassVar[str] = (
        "Outputs of an agent's runs: of one by execution_id, or of the latest that fits. wait_if_running waits for one "
        "that still runs."
    )
    input_model: ClassVar[type[ToolInput]] = ViewAgentOutputInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, means: AgentMeans) -> None:
        self._means = means
        self._profiles = Profiles(means.database, means.clock)
        self._checks = AgentChecks(means)
        self._following = FollowingRuns(means.runs, means.clock)

    def run(self, context: ToolContext, arguments: ViewAgentOutputInput) -> AgentOutput | NoResults | Wait:
        """Find the run, and wait for it if that is wanted."""
        if not (arguments.library_agent_id or arguments.store_slug or arguments.agent_name or arguments.execution_id):
            raise ToolError(
                "Name the agent or the run: agent_name, library_agent_id, store_slug or execution_id.",
                code="missing_identifier",
            )
        until = self._following.deadline(arguments.wait_if_running)
        return self._answer(context, self._found(context.user_id, arguments), until)

    def resume(
        self, context: ToolContext, arguments: ViewAgentOutputInput, note: Mapping[str, Any]
    ) -> AgentOutput | NoResults | Wait:
        """The run has ended or asks its user, or the time is over; a newer one that has begun meanwhile waits."""
        found = self._alone(context.user_id, note["run"])
        if isinstance(found, _Found) and not arguments.execution_id:
            others = [one for one in self._listed(found.agent, arguments) if one.id != found.run.id]
            found = replace(found, others=others)
        return self._answer(context, found, note["until"])

    def _answer(self, context: ToolContext, found: _Found | NoResults, until: int) -> AgentOutput | NoResults | Wait:
        if isinstance(found, NoResults):
            return found
        run = found.run
        if wait := self._following.wait(run, until):
            return wait
        nodes = self._means.runs.nodes(context.user_id, run.id) if run.dry_run else ()
        schema = self._checks.schema_of(context.user_id, run)
        return run_answers.output(run, _message(run, len(found.others)), schema, nodes, found.others)

    # -- finding -------------------------------------------------------------------------------

    def _found(self, user_id: str, arguments: ViewAgentOutputInput) -> _Found | NoResults:
        """The agent that is named, and of its runs the one that is named, or else those that fit."""
        if not (arguments.library_agent_id or arguments.store_slug or arguments.agent_name):
            return self._alone(user_id, arguments.execution_id)
        agent = self._agent(user_id, arguments)
        if isinstance(agent, NoResults):
            return agent
        others = [] if arguments.execution_id else self._listed(agent, arguments)
        if not arguments.execution_id and not others:
            return _no_runs(agent, running=arguments.wait_if_running > 0)
        run = self._means.runs.look(user_id, arguments.execution_id or others.pop(0).id)
        if run is None or run.library_agent_id != agent.id:
            return NoResults(message=_NO_RUN, suggestions=["Leave out execution_id to see the latest run."])
        return _Found(agent, run, others)

    def _alone(self, user_id: str, run_id: str) -> _Found | NoResults:
        run, library = self._means.runs.look(user_id, run_id), self._means.library
        if run is None:
            return NoResults(message=_NO_RUN, suggestions=["Name the agent to see its latest run."])
        try:
            agent = library.get(user_id, run.library_agent_id)
        except NotFound:
            return NoResults(
                message="The run was found, but its agent is not in the user's library any more.",
                suggestions=[
                    f"The user finds the run at {run.link}.",
                    "Add the agent again to see its next runs here.",
                ],
            )
        return _Found(agent, run)

    def _agent(self, user_id: str, arguments: ViewAgentOutputInput) -> LibraryAgent | NoResults:
        """By id, or else by slug, or else by name."""
        library = self._means.library
        if arguments.library_agent_id:
            try:
                return library.get(user_id, arguments.library_agent_id)
            except NotFound:
                return _no_agent("Look for its id with find_library_agent.")
        if slug := arguments.store_slug.lower():
            return library.by_slug(user_id, slug) or self._not_added(slug)
        best = library.search(user_id, arguments.agent_name, 1)
        return best[0] if best else _no_agent("Try another name.", "See what there is with find_library_agent.")

    def _not_added(self, slug: str) -> NoResults:
        if self._means.marketplace.find(slug) is None:
            return _no_agent("Look for published agents with find_agent.")
        return NoResults(
            message="This agent is not in the user's library, so there is nothing that it has brought: add it first.",
            suggestions=[f"Add and run it: run_agent with username_agent_slug {slug}."],
        )

    def _listed(self, agent: LibraryAgent, arguments: ViewAgentOutputInput) -> list[RunView]:
        window = self._window(agent.user_id, arguments.run_time)
        wanted = RunFilter(
            library_agent_id=agent.id,
            since=window.since,
            until=window.until,
            statuses=_ALSO_RUNNING if arguments.wait_if_running else _DONE,
            limit=MOST_FOUND,
        )
        return list(self._means.runs.recent(agent.user_id, wanted))

    def _window(self, user_id: str, said: str) -> TimeWindow:
        from zoneinfo import ZoneInfo  # looks for its database when it is imported; a cold start need not

        zone = ZoneInfo(self._profiles.load(user_id).timezone or "UTC")
        return window_of(said, self._means.clock.now(), zone)


def _no_agent(*suggestions: str) -> NoResults:
    return NoResults(message=_NO_AGENT, suggestions=list(suggestions))


def _no_runs(agent: LibraryAgent, *, running: bool) -> NoResults:
    more = [] if running else ["Runs that have not ended count with wait_if_running."]
    return NoResults(
        message=f"No run of {agent.name} fits ({agent.link}).",
        suggestions=[*more, "Try another run_time, or latest.", "Start it with run_agent."],
    )


def _message(run: RunView, others: int) -> str:
    said = _said(run)
    return f"{said} This is the latest of {others + 1} runs that fit." if others else said


def _said(run: RunView) -> str:
    if run.status == "completed":
        return "The run has completed."
    if run.ended:
        return run_answers.failed_words(run)
    if run.status == "review":
        return "The run is awaiting human review: tell the user, with the link."
    return "The run has not ended yet, and goes on by itself. Don't run it again; wait_if_running waits for it."
