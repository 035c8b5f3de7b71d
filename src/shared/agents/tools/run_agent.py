"""`run_agent`: an agent of the user's library or of the marketplace, run now or on a schedule."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from shared.accounts.users import is_guest
from shared.agents.library.records import LibraryAgent
from shared.agents.library.slugs import is_slug
from shared.agents.running import RunRequest, RunView
from shared.agents.scheduling import AgentRun, ScheduleRequest, ScheduleView, Scheduling, When
from shared.agents.tools import run_answers
from shared.agents.tools.agent_checks import AgentChecks, Refusal
from shared.agents.tools.agent_means import AgentMeans
from shared.agents.tools.agent_usage import AgentUsage
from shared.agents.tools.arguments import Words
from shared.agents.tools.following_runs import FollowingRuns
from shared.agents.tools.run_answers import AgentOutput, ExecutionStarted, ScheduleShown
from shared.kernel.analytics import agent_run_success
from shared.kernel.errors import ToolError, UserInputError
from shared.kernel.ids import dated_id, derived_id
from shared.tasks.lineage import inherited
from shared.tasks.records import Task
from shared.tasks.store import get_task
from shared.tasks.wait import Wait
from shared.tools.contract import ErrorResponse, NeedLogin, Tool, ToolContext, ToolInput
from shared.tools.sub_sessions.contract import WaitSeconds


class RunAgentInput(ToolInput):
    """Which agent, with what, and when."""

    username_agent_slug: Words = Field(default="", description="`username/agent-name`, of the marketplace.")
    library_agent_id: Words = Field(default="", description="Of the user's library; goes before the slug.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="By name. Empty: answers which there are.")
    use_defaults: bool = Field(default=False, description="Run it with its own defaults.")
    schedule_name: Words = Field(default="", description="With cron: run it on a schedule instead of now.")
    cron: Words = Field(default="", description="Five fields.")
    timezone: Words = Field(default="", description="IANA name, of cron. Empty: the user's.")
    wait_for_result: WaitSeconds = Field(default=0, description="Seconds to wait for the end of the run.")
    dry_run: bool = Field(default=False, description="Nothing takes effect.")


class RunAgent(Tool[RunAgentInput]):
    """Starts runs and schedules; what is in the way is said before anything is done."""

    name: ClassVar[str] = "run_agent"
    description: ClassVar[str] = (
        "Run an agent, now or on a schedule. Without inputs it answers what the agent needs. A run goes on by itself: "
        "wait_for_result waits for its outputs, view_agent_output finds them later."
    )
    input_model: ClassVar[type[ToolInput]] = RunAgentInput

    def __init__(self, means: AgentMeans) -> None:
        self._means = means
        self._checks = AgentChecks(means)
        self._usage = AgentUsage(means.database)
        self._following = FollowingRuns(means.runs, means.clock)

    def run(
        self, context: ToolContext, arguments: RunAgentInput
    ) -> NeedLogin | Refusal | ExecutionStarted | AgentOutput | ErrorResponse | Wait:
        """Start what was asked for, once for each call, or say what is missing."""
        _require_identifier(arguments)
        if is_guest(context.user_id):
            return NeedLogin(message="Agents need a user who has signed in. Ask the user to sign in.")
        task = get_task(self._means.database, context.task_id)
        assert task is not None, "the turn that calls is there"
        run_id = dated_id(task.created_at, "chat-run", task.id, context.tool_call_id)
        until = self._following.deadline(arguments.wait_for_result)
        if run := self._means.runs.look(context.user_id, run_id):  # by this call, before its worker was killed
            return self._answer(context, run, until, arguments)
        agent = self._agent(context.user_id, arguments)
        refusal = self._checks.refusal(agent, arguments.inputs, use_defaults=arguments.use_defaults)
        if refusal is not None:
            return refusal
        try:
            if arguments.schedule_name or arguments.cron:
                return self._schedule(context, arguments, agent, task)
            run = self._start(context, arguments, agent, task, run_id)
        except ToolError as error:
            raise ToolError(f"{error.message} ({agent.link})", code=error.code) from error
        return self._answer(context, run, until, arguments)

    def resume(
        self, context: ToolContext, arguments: RunAgentInput, note: Mapping[str, Any]
    ) -> ExecutionStarted | AgentOutput | ErrorResponse | Wait:
        """The run has ended or asks its user, or the time is over."""
        return self._answer(context, self._following.woken(context.user_id, note), note["until"], arguments)

    # -- finding -------------------------------------------------------------------------------

    def _agent(self, user_id: str, arguments: RunAgentInput) -> LibraryAgent:
        """What is named, in the library by now. Nobody learns whether it is somebody else's."""
        library = self._means.library
        try:
            if arguments.library_agent_id:
                return library.get(user_id, arguments.library_agent_id)
            return library.add_published(user_id, arguments.username_agent_slug.lower())
        except UserInputError as error:
            if error.status != 404:
                raise ToolError(error.message, code=error.code.lower()) from error
            raise ToolError(
                "There is no such agent. Look for it with find_library_agent or find_agent.", code="agent_not_found"
            ) from error

    # -- running -------------------------------------------------------------------------------

    def _start(
        self, context: ToolContext, arguments: RunAgentInput, agent: LibraryAgent, task: Task, run_id: str
    ) -> RunView:
        lineage = replace(inherited(task), dry_run=context.dry_run or arguments.dry_run)
        request = RunRequest(run_id, agent, arguments.inputs, "chat", lineage, context.session_id)
        try:
            with self._usage.counting(context.session_id, agent.id, "runs", run_id):
                run = self._means.runs.start(request)
        except UserInputError as error:
            raise ToolError(error.message, code=error.code.lower()) from error
        names = {"graph_id": run.graph_id, "graph_name": run.agent_name}
        agent_run_success(context.ids, **names, execution_id=run.id, library_agent_id=agent.id)
        return run

    def _answer(
        self, context: ToolContext, run: RunView, until: int, arguments: RunAgentInput
    ) -> ExecutionStarted | AgentOutput | ErrorResponse | Wait:
        if arguments.wait_for_result == 0:
            return run_answers.started(
                run,
                "The run has begun, and goes on by itself. Don't run it again for the same: view_agent_output with "
                "this execution_id and wait_if_running has its outputs.",
            )
        if wait := self._following.wait(run, until):
            return wait
        if run.status in {"failed", "terminated"}:
            return run_answers.failure(run)
        if run.status == "completed":
            nodes = self._means.runs.nodes(context.user_id, run.id) if run.dry_run else ()
            message = "The run has completed. Don't run it again for the same."
            return run_answers.output(run, message, self._checks.schema_of(context.user_id, run), nodes)
        return run_answers.started(run, _REVIEW if run.status == "review" else _STILL)

    # -- scheduling ----------------------------------------------------------------------------

    def _schedule(
        self, context: ToolContext, arguments: RunAgentInput, agent: LibraryAgent, task: Task
    ) -> ExecutionStarted:
        scheduling = self._scheduling(context, arguments)
        schedule_id = derived_id("chat-schedule", task.id, context.tool_call_id)
        request = ScheduleRequest(
            schedule_id,
            context.user_id,
            arguments.schedule_name,
            When(cron=arguments.cron, timezone=arguments.timezone),
            AgentRun(agent, arguments.inputs),
            context.session_id,
            task.permissions,
            context.tree_max_tokens,
            context.tree_max_micros,
        )
        try:
            with self._usage.counting(context.session_id, agent.id, "schedules", schedule_id):
                made = scheduling.create(request)
        except UserInputError as error:
            raise ToolError(error.message, code=error.code.lower()) from error
        return _scheduled(agent, made)

    def _scheduling(self, context: ToolContext, arguments: RunAgentInput) -> Scheduling:
        if context.dry_run or arguments.dry_run:
            raise ToolError(
                "Schedules would really run; there are none in a dry run. Leave out schedule_name and cron.",
                code="dry_run",
            )
        if context.is_foreign:
            raise ToolError(
                "What another user has made can't schedule: it would use accounts unasked.", code="foreign_agent"
            )
        if not arguments.schedule_name:
            raise ToolError("A schedule needs a name: give schedule_name.", code="missing_schedule_name")
        if not arguments.cron:
            raise ToolError("A schedule needs its times: give cron, such as `0 9 * * 1-5`.", code="missing_cron")
        if self._means.scheduling is None:
            raise ToolError("This deployment keeps no schedules.", code="schedules_unavailable")
        return self._means.scheduling


_REVIEW = (
    "The run is awaiting human review, and goes on when the user has decided. Tell them, with the link. Don't run it "
    "again."
)
_STILL = (
    "The wait is over, and the run goes on by itself. Don't run it again: view_agent_output with this execution_id and "
    "wait_if_running waits on."
)


def _require_identifier(arguments: RunAgentInput) -> None:
    if arguments.library_agent_id:
        return
    if not arguments.username_agent_slug:
        raise ToolError(
            "Name the agent: username_agent_slug (`username/agent-name`) or library_agent_id.",
            code="missing_identifier",
        )
    if not is_slug(arguments.username_agent_slug.lower()):
        raise ToolError("username_agent_slug is of the form `username/agent-name`.", code="invalid_identifier")


def _scheduled(agent: LibraryAgent, made: ScheduleView) -> ExecutionStarted:
    return ExecutionStarted(
        message=f"Scheduled; it runs next at {made.next_fire_shown or 'no time'}. Don't schedule it again.",
        execution_id=made.id,
        status="SCHEDULED",
        graph_id=agent.graph_id,
        graph_name=agent.name,
        library_agent_id=agent.id,
        library_agent_link=agent.link,
        schedule=ScheduleShown(
            schedule_id=made.id,
            name=made.name,
            cron=made.cron,
            timezone=made.timezone,
            next_run_time=made.next_fire_shown,
        ),
    )
