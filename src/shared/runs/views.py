"""A run as its user sees it: put together from its task, its record and the executions that have ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.registry import shipped_block
from shared.agents.graphs.model import Graph, Node
from shared.agents.graphs.secret_schemas import HIDDEN, is_secret
from shared.agents.running import NodeView, RunStatus, RunView, Spent
from shared.aws.database import Database
from shared.aws.writes import Item
from shared.runs.records import Execution, Run, load_executions, load_run
from shared.tasks.records import Spend, TaskStatus, task_key
from shared.tasks.wait import Wait

_STATUS: Mapping[TaskStatus, RunStatus] = {
    TaskStatus.QUEUED: "queued",
    TaskStatus.RUNNING: "running",
    TaskStatus.WAITING: "waiting",
    TaskStatus.COMPLETED: "completed",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLED: "terminated",
}


def status_of(task: TaskStatus) -> RunStatus:
    """What a run's task says, in the words of runs."""
    return _STATUS[task]


def view(database: Database, run: Run) -> RunView:
    """Where the run is, with its outputs when it has ended."""
    if run.status is not None:
        return _view(run, run.status, outputs_of(database, run))
    shown = _live(database, run, database.get(task_key(run.id)))
    return replace(shown, outputs=outputs_of(database, run)) if shown.ended else shown


def views(database: Database, runs: Sequence[Run]) -> list[RunView]:
    """Where the runs are, without their outputs."""
    live = [run for run in runs if run.status is None]
    tasks = dict(zip([run.id for run in live], database.get_many([task_key(run.id) for run in live]), strict=True))
    return [_view(run, run.status, {}) if run.status else _live(database, run, tasks[run.id]) for run in runs]


def _live(database: Database, run: Run, task: Item | None) -> RunView:
    if task is None:
        return _view(run, "terminated", {})
    status = TaskStatus(task["status"])
    if status.ended:  # it has just ended: the record has it too
        again = load_run(database, run.id)
        assert again, "it is put with its task"
        assert again.status, "both are written at once"
        return _view(again, again.status, {})
    reviews = open_reviews(database, run.id) if status is TaskStatus.WAITING else []
    return _view(run, "review" if reviews else status_of(status), {}, task, reviews)


def _view(
    run: Run,
    status: RunStatus,
    outputs: Mapping[str, Sequence[Any]],
    task: Item | None = None,
    reviews: Sequence[str] = (),
) -> RunView:
    live, secret = task or {}, frozenset(run.secret_inputs)
    spend = (
        Spend(**live["spend"]) if task else Spend(run.nodes_done, prompt_tokens=run.tokens, cost_micros=run.cost_micros)
    )
    return RunView(
        id=run.id,
        user_id=run.user_id,
        library_agent_id=run.library_agent_id,
        graph_id=run.graph_id,
        version=run.version,
        agent_name=run.agent_name,
        status=status,
        inputs={name: HIDDEN if name in secret else value for name, value in json.loads(run.inputs).items()},
        outputs=outputs,
        error=run.error,
        error_code=run.error_code,
        dry_run=run.dry_run,
        origin=run.origin,
        created_at=run.created_at,
        started_at=live.get("started_at", run.started_at),
        ended_at=run.ended_at,
        nodes_done=spend.steps,
        credits=live.get("credits", run.credits),
        reviews=tuple(reviews),
        epoch=live.get("epoch", 0),
        spend=_spent(spend),
    )


def open_reviews(database: Database, run_id: str) -> list[str]:
    """What its user is asked: an execution's journal goes when it ends."""
    return [review for one in waits_of(database, run_id) for review in one.wait.reviews]


def outputs_of(database: Database, run: Run) -> dict[str, list[Any]]:
    """Name of each output to the values that it has had; those of nodes of one name in the order of the graph."""
    outputs: dict[str, list[Any]] = {}
    for name, node_id in run.output_nodes:
        executions = sorted(load_executions(database, run.id, node_id), key=lambda one: one.index)
        values = [value for one in executions for value in json.loads(one.outputs).get("value", ())]
        if values:
            outputs.setdefault(name, []).extend(values)
    return outputs


@dataclass(frozen=True)
class Waiting:
    """An execution that waits."""

    id: str
    wait: Wait
    began_at: int
    inputs: str
    """JSON text, cut: to be shown."""


def waits_of(database: Database, run_id: str) -> list[Waiting]:
    """The executions that wait, as their journals say."""
    found = database.query("#pk = :pk AND begins_with(#sk, :prefix)", {"pk": f"TASK#{run_id}", "prefix": "CALL#"})
    return [
        Waiting(row["sk"].removeprefix("CALL#"), Wait.from_item(row), row["began_at"], row["inputs"])
        for row in found
        if row["status"] == "waiting"
    ]


def node_views(graph: Graph, executions: Sequence[Execution], waits: Sequence[Waiting]) -> list[NodeView]:
    """What the nodes have done, in the order in which it was stored; then what waits. Secret inputs are hidden."""
    ended = {one.id for one in executions}
    titles = {node.id: (node.title, node.block_id) for node in graph.nodes}
    waiting = [_waiting(one, titles) for one in waits if one.id not in ended]
    secret = {node.id for node in secret_inputs(graph)}
    views = [*(_ended(one, titles) for one in executions), *waiting]
    return [_hidden(one) if one.node_id in secret else one for one in views]


def secret_inputs(graph: Graph) -> list[Node]:
    """The nodes whose value is not shown."""
    nodes = [node for node in graph.nodes if node.block_id == AgentInput.id]
    return [node for node in nodes if is_secret(node.input_default.get("value_schema"))]


def _hidden(one: NodeView) -> NodeView:
    return replace(
        one,
        inputs={name: value if name == "name" else HIDDEN for name, value in one.inputs.items()},
        outputs={name: [HIDDEN] * len(values) for name, values in one.outputs.items()},
    )


def _ended(one: Execution, titles: Mapping[str, tuple[str, str]]) -> NodeView:
    title, _ = titles.get(one.node_id, ("", ""))
    return NodeView(
        node_id=one.node_id,
        index=one.index,
        title=title or block_name(one.block_id),
        block_id=one.block_id,
        block_name=block_name(one.block_id),
        status=one.status,
        inputs=json.loads(one.inputs),
        outputs=json.loads(one.outputs),
        error=one.error,
        started_at=one.started_at,
        ended_at=one.ended_at,
        credits=one.credits,
        spend=_spent(one.spend),
    )


def _waiting(one: Waiting, titles: Mapping[str, tuple[str, str]]) -> NodeView:
    node_id, _, index = one.id.rpartition(".")
    title, block_id = titles.get(node_id, ("", ""))
    status: Literal["review", "waiting"] = "review" if one.wait.reviews else "waiting"
    return NodeView(
        node_id=node_id,
        index=int(index),
        title=title or block_name(block_id),
        block_id=block_id,
        block_name=block_name(block_id),
        status=status,
        inputs=json.loads(one.inputs),
        outputs={},
        error="",
        started_at=one.began_at,
        ended_at=None,
        credits=0,
    )


def _spent(spend: Spend) -> Spent:
    return Spent(spend.tokens, spend.cost_micros)


def block_name(block_id: str) -> str:
    """What people call it; empty if it is not there any more."""
    block = shipped_block(block_id)
    return block.name if block else ""
