"""Calls of the tools about runs of agents, outside of turns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.agents.running import AgentRuns
from shared.agents.scheduling import AgentRun, ScheduleRequest, ScheduleView
from shared.agents.tools.agent_means import AgentMeans
from shared.agents.tools.run_agent import RunAgent
from shared.agents.tools.view_agent_output import ViewAgentOutput, ViewAgentOutputInput
from shared.kernel.errors import ToolError
from shared.tasks.records import Task
from shared.tasks.wait import Wait
from shared.tools.contract import ErrorResponse, ToolContext, ToolResponse
from tests.support.region import Parley
from tests.support.runs import Agents


@dataclass
class Schedules:
    """Takes every schedule, or fails as a test says."""

    fails: Exception | None = None
    made: dict[str, ScheduleRequest] = field(default_factory=dict)

    def create(self, request: ScheduleRequest) -> ScheduleView:
        if self.fails:
            raise self.fails
        self.made[request.id] = request
        assert isinstance(request.target, AgentRun)
        zone = request.when.timezone or "UTC"
        return ScheduleView(
            request.id, request.name, "agent", "active", "", request.when.cron, zone, 1, f"2026-01-01T09:00 {zone}"
        )

    def list(self, user_id: str, library_agent_id: str = "", graph_id: str = "") -> Sequence[ScheduleView]:
        raise NotImplementedError

    def delete(self, user_id: str, schedule_id: str) -> ScheduleView | None:
        raise NotImplementedError


@dataclass
class Connected:
    """The accounts that a user has connected."""

    providers: set[str] = field(default_factory=set)

    def missing(self, user_id: str, providers: Any) -> list[str]:
        return [name for name in providers if name not in self.providers]

    def secret(self, user_id: str, provider: str, host: str) -> Any:
        raise NotImplementedError


@dataclass
class Caller:
    """Calls the two tools as a turn does."""

    parley: Parley
    agents: Agents
    schedules: Schedules | None = field(default_factory=Schedules)
    connected: Connected = field(default_factory=Connected)
    find_block: Callable[[str], Any] | None = None
    runs: AgentRuns | None = None
    """None: real ones."""
    _calls: int = 0
    _task: Task | None = None

    @property
    def means(self) -> AgentMeans:
        runs = self.runs or self.agents.runs
        return AgentMeans(
            self.parley.database, self.parley.clock, runs, self.schedules, self.connected, self.find_block
        )

    @property
    def task(self) -> Task:
        """The turn that calls."""
        if self._task is None:
            self._task = self.parley.send(self.parley.new_session()).task
        return self._task

    def context(self, user: str = "ada", call_id: str = "", **more: Any) -> ToolContext:
        self._calls += 1
        return ToolContext(user, self.task.session_id, self.task.id, call_id or f"call{self._calls}", **more)

    def run(
        self, *, user: str = "ada", call_id: str = "", dry: bool = False, foreign: bool = False, **arguments: Any
    ) -> dict[str, Any]:
        """What `run_agent` answers; an error as the model reads it."""
        context = self.context(user, call_id, dry_run=dry, is_foreign=foreign)
        return self._call(RunAgent(self.means), context, arguments)

    def view(self, *, user: str = "ada", **arguments: Any) -> dict[str, Any]:
        """What `view_agent_output` answers."""
        return self._call(ViewAgentOutput(self.means), self.context(user), arguments)

    def wake_view(self, waited: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """What `view_agent_output` goes on with when its wait is over."""
        tool = ViewAgentOutput(self.means)
        answer = tool.resume(self.context(), ViewAgentOutputInput.model_validate(arguments), waited["note"])
        assert not isinstance(answer, Wait)
        return answer.model_dump(mode="json")

    def _call(self, tool: Any, context: ToolContext, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: ToolResponse | Wait = tool.run(context, tool.input_model.model_validate(arguments))
        except ToolError as error:
            answer = ErrorResponse(code=error.code, message=error.message)
        if isinstance(answer, Wait):
            return {"type": "wait", "on": answer.on, "until": answer.until, "note": dict(answer.note)}
        return answer.model_dump(mode="json")
