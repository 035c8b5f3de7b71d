"""Runs as others know them: started once for each id, looked at, listed, stopped."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.graphs.model import Graph
from shared.agents.graphs.schemas import require_fit
from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.agents.library.shipped import shipped_agent
from shared.agents.library.versions import GraphVersions
from shared.agents.running import NodePage, NodeView, RunFilter, RunPage, RunRequest, RunView
from shared.aws.writes import Write
from shared.chat.cancel import ended_in_time
from shared.chat.opening import new_task_writes
from shared.chat.services import Services
from shared.chat.sessions import create_home_session
from shared.kernel.clock import to_millis
from shared.kernel.errors import LimitReached, NotFound, Retryable, ToolError, UserInputError
from shared.kernel.ids import dated_id
from shared.kernel.telemetry import count, log_event
from shared.runs.ending import Verdict
from shared.runs.home import home_session
from shared.runs.listing import page_of_runs, search_runs
from shared.runs.outside import end_run
from shared.runs.records import (
    Run,
    count_executions,
    inputs_text,
    load_executions,
    load_run,
    page_of_executions,
)
from shared.runs.views import node_views, secret_inputs, view, waits_of
from shared.tasks.lineage import MAX_DEPTH, inherited
from shared.tasks.records import Task, TaskStatus
from shared.tasks.slots import TOO_MANY_RUNS
from shared.tasks.store import get_task, request_cancel
from shared.tasks.waits import send_on
from shared.tools.contract import ToolContext

_ATTEMPTS = 4
_PAUSE_SECONDS = 0.25


class Runs:
    """What tools, routes and schedules are given (`agents.running.AgentRuns`), and blocks (`ChildRuns`)."""

    def __init__(self, services: Services, library: Library) -> None:
        self._services = services
        self._library = library

    # -- starting ------------------------------------------------------------------------------

    def start(self, request: RunRequest) -> RunView:
        """Begin the run, once for each `request.id`.

        Raises:
            LimitReached: too many are in flight, or it would be nested too deep.
            NotFound: the agent's graph is gone, or the id is somebody else's.
            TooLarge: its inputs are more than can be kept.
            Retryable: nothing was decided; ask again.
        """
        if request.lineage.depth > MAX_DEPTH:
            raise LimitReached(f"Runs go {MAX_DEPTH} deep at most.", code="run_too_deep")
        for _ in range(_ATTEMPTS):
            if known := load_run(self._services.database, request.id):
                return self._known(known, request.agent.user_id)
            if task := self._open(request):
                return self._begun(task)
        raise Retryable("Too many runs begin at once.", code="run_busy")

    def start_with(self, request: RunRequest, writes: Sequence[Write]) -> bool:
        """Begin the run in one transaction with `writes`; False: it has begun before, or one of them was refused.

        Raises:
            LimitReached, NotFound, TooLarge, Retryable: see `start`.
        """
        task = self._open(request, writes)
        if task:
            self._tell_begun(task)
        return task is not None

    def _open(self, request: RunRequest, also: Sequence[Write] = ()) -> Task | None:
        """The task, stored with all that belongs to it; None if it is there, or nothing was decided."""
        services, agent = self._services, request.agent
        session_id, now = home_session(agent), to_millis(services.clock.now())
        run = self._run(request, self._library.graph(agent), now)
        create_home_session(services.database, services.clock, agent.user_id, session_id, agent.id)
        task = Task(
            request.id,
            session_id,
            agent.user_id,
            TaskStatus.QUEUED,
            now,
            context_from=0,
            kind="run",
            expires_at=run.expires_at,
            **vars(replace(request.lineage, is_foreign=request.lineage.is_foreign or _is_foreign(agent))),
        )
        return services.slots.open(task, lambda counted: [*new_task_writes(counted), *run.puts(), *also])

    def _run(self, request: RunRequest, graph: Graph, now: int) -> Run:
        outputs, secrets = _outputs_of(graph), [str(node.input_default.get("name")) for node in secret_inputs(graph)]
        return Run(
            id=request.id,
            user_id=request.agent.user_id,
            library_agent_id=request.agent.id,
            graph_id=request.agent.graph_id,
            version=request.agent.version,
            agent_name=request.agent.name,
            inputs=inputs_text(request.inputs, len(json.dumps([outputs, secrets], ensure_ascii=False).encode())),
            origin=request.origin,
            created_at=now,
            output_nodes=outputs,
            secret_inputs=secrets,
            chat_session_id=request.chat_session_id,
            schedule_id=request.schedule_id,
            dry_run=request.lineage.dry_run,
            expires_at=now // 1000 + (self._services.run_max_days + self._services.run_retention_days) * 86_400,
        )

    def _tell_begun(self, task: Task) -> None:
        log_event("run.started", **task.ids)
        count("RunStarted")
        if not task.awaits_slot:
            send_on(self._services.queue, task)

    def _begun(self, task: Task) -> RunView:
        self._tell_begun(task)
        found = self.look(task.user_id, task.id)
        assert found is not None, "it was just stored"
        return found

    def again(self, user_id: str, run_id: str) -> RunView | None:
        """A run that was begun before, and sent again if nobody has taken it up; None if there is no such run."""
        run = self._own(user_id, run_id)
        return self._known(run, user_id) if run else None

    def _known(self, run: Run, user_id: str) -> RunView:
        """The one that was begun before; its message may have been lost."""
        if run.user_id != user_id:
            raise NotFound("There is no such run.", code="RUN_NOT_FOUND")
        task = get_task(self._services.database, run.id)
        if task and task.status is TaskStatus.QUEUED and task.epoch == 0 and not task.awaits_slot:
            send_on(self._services.queue, task)
        return view(self._services.database, run)

    def begin_child(self, call: ToolContext, library_agent_id: str, inputs: Mapping[str, Any]) -> RunView:
        """Begin a run of another agent for an execution of a run that waits for it; the same execution begins it once.

        Raises:
            ToolError: it can't be begun; the code says why.
            Retryable: nothing was decided; ask again.
        """
        caller = get_task(self._services.database, call.task_id)
        assert caller is not None, "the run that calls is there"
        run_id = dated_id(caller.created_at, "child-run", call.task_id, call.tool_call_id)
        try:
            agent = self._library.get(call.user_id, library_agent_id)
            require_fit(self._library.graph(agent), inputs)
            return self.start(RunRequest(run_id, agent, inputs, "agent", inherited(caller), caller.session_id))
        except UserInputError as error:
            if error.code == TOO_MANY_RUNS:  # others end
                raise Retryable(error.message, code=error.code) from error
            raise ToolError(error.message, code=error.code.lower()) from error

    # -- looking -------------------------------------------------------------------------------

    def look(self, user_id: str, run_id: str) -> RunView | None:
        """Where it is; None if there is no such run. Its outputs may have 20 MB: whoever shows them cuts them."""
        run = self._own(user_id, run_id)
        return view(self._services.database, run) if run else None

    def nodes(self, user_id: str, run_id: str) -> Sequence[NodeView]:
        """What its nodes have done, in order: all of it."""
        run, database = self._own(user_id, run_id), self._services.database
        if run is None:
            return []
        waits = [] if run.status else waits_of(database, run_id)
        return node_views(self._graph(run), load_executions(database, run_id), waits)

    def page_of_nodes(self, user_id: str, run_id: str, start: int, limit: int) -> NodePage | None:
        """Those from the how-manieth on; what waits comes last. None if there is no such run."""
        run, database = self._own(user_id, run_id), self._services.database
        if run is None:
            return None
        ended = page_of_executions(database, run_id, start, limit + 1)
        waits = [] if run.status or len(ended) > limit else waits_of(database, run_id)
        if waits and not ended:  # behind those that have ended
            waits = waits[max(0, start - count_executions(database, run_id)) :]
        nodes = node_views(self._graph(run), ended, waits)
        return NodePage(nodes[:limit], start + limit if len(nodes) > limit else None)

    def _graph(self, run: Run) -> Graph:
        """Without nodes, if it is gone."""
        try:
            return GraphVersions(self._services.database, self._services.clock).graph(run.graph_id, run.version)
        except NotFound:
            return Graph(name=run.agent_name)

    def recent(self, user_id: str, wanted: RunFilter) -> Sequence[RunView]:
        """The user's runs that fit, the newest first, without their outputs."""
        return search_runs(self._services.database, user_id, wanted, self._services.clock.now())

    def page(self, user_id: str, wanted: RunFilter) -> RunPage:
        """The same page by page. One that stops early, because few fit, may be short and says where to go on."""
        return page_of_runs(self._services.database, user_id, wanted, self._services.clock.now())

    def _own(self, user_id: str, run_id: str) -> Run | None:
        run = load_run(self._services.database, run_id) if run_id else None
        return run if run and run.user_id == user_id and not run.has_expired(self._services.clock.now()) else None

    # -- stopping ------------------------------------------------------------------------------

    def stop(self, user_id: str, run_id: str) -> RunView | None:
        """Have it stop; when this returns it has ended, whoever had to end it. None if there is no such run."""
        services = self._services
        if self._own(user_id, run_id) is None:
            return None
        task = request_cancel(services.database, run_id)
        if task is not None:
            log_event("turn.cancel_requested", **task.ids)
            idle = not task.leased(to_millis(services.clock.now()))
            if idle or not ended_in_time(services, run_id):
                end_run(services, run_id, Verdict.stopped(), f"stop-{services.ids.new()}")
        return self.look(user_id, run_id)


def _is_foreign(agent: LibraryAgent) -> bool:
    """Whether another user has made its graph; what Parley ships is trusted."""
    return not agent.owns_graph and shipped_agent(agent.slug) is None


def _outputs_of(graph: Graph) -> list[list[str]]:
    """Name and node of each output."""
    nodes = [node for node in graph.nodes if node.block_id == AgentOutput.id]
    return [[str(node.input_default.get("name") or node.title or node.id)[:100], node.id] for node in nodes]
