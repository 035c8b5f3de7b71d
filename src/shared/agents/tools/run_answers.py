"""What tools answer about runs of agents. In their words a run's status is written in capitals: `COMPLETED`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.agents.graphs.secret_schemas import HIDDEN, is_secret
from shared.agents.running import NodeView, RunView
from shared.kernel.clock import iso
from shared.tools.contract import ErrorResponse, ToolResponse

MAX_OTHERS = 5
_MOST_NODES = 50
_SHOWN_CHARACTERS = 400


class ScheduleShown(BaseModel):
    """When an agent will be run."""

    schedule_id: str
    name: str
    cron: str
    timezone: str
    next_run_time: str
    """ISO 8601, on the user's clocks; empty: never."""


class ExecutionStarted(ToolResponse):
    """A run has begun and has not ended, or a schedule was made."""

    type: Literal["execution_started"] = "execution_started"
    execution_id: str
    """Of the run, or the schedule's."""
    status: str
    """Of the run, such as `RUNNING` or `REVIEW`; `SCHEDULED` for a schedule."""
    graph_id: str
    graph_name: str
    library_agent_id: str
    library_agent_link: str
    execution_link: str | None = None
    """Where a person follows the run."""
    schedule: ScheduleShown | None = None
    reviews: list[str] = Field(default_factory=list)
    """Ids of the reviews that the run waits for."""
    is_dry_run: bool = False


class NodeExecution(BaseModel):
    """What one execution of a node did; long values are cut."""

    node_id: str
    title: str
    block_name: str
    status: str
    inputs: dict[str, Any]
    outputs: dict[str, list[Any]]
    error: str | None


class Execution(BaseModel):
    """A run in full."""

    execution_id: str
    status: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    outputs: dict[str, list[Any]]
    """Name to the values that it has had, in order."""
    inputs_summary: dict[str, str] | None
    """Cut, without secrets; null if nobody knows any more which those are."""
    error: str | None
    error_code: str | None
    node_executions: list[NodeExecution] | None
    """Of a dry run, unless the agent is given secrets: they would be in there."""
    reviews: list[str]
    is_dry_run: bool
    link: str


class ListedExecution(BaseModel):
    """Another run that fits."""

    execution_id: str
    status: str
    created_at: str
    link: str


class AgentOutput(ToolResponse):
    """What a run has brought."""

    type: Literal["agent_output"] = "agent_output"
    agent_name: str
    agent_id: str
    """Of its graph."""
    library_agent_id: str
    library_agent_link: str
    execution: Execution
    available_executions: list[ListedExecution] | None = None
    """Others that fit as well, the newest first."""
    total_executions: int = 1


def started(run: RunView, message: str) -> ExecutionStarted:
    """Where a run is that has not ended, or that nobody waits for."""
    return ExecutionStarted(
        message=message,
        execution_id=run.id,
        status=shown_status(run),
        graph_id=run.graph_id,
        graph_name=run.agent_name,
        library_agent_id=run.library_agent_id,
        library_agent_link=agent_link(run),
        execution_link=run.link,
        reviews=list(run.reviews),
        is_dry_run=run.dry_run,
    )


def output(
    run: RunView,
    message: str,
    schema: Mapping[str, Any] | None,
    nodes: Sequence[NodeView] = (),
    others: Sequence[RunView] = (),
) -> AgentOutput:
    """A run in full; `schema` is that of its inputs, None if it is not known."""
    return AgentOutput(
        message=message,
        agent_name=run.agent_name,
        agent_id=run.graph_id,
        library_agent_id=run.library_agent_id,
        library_agent_link=agent_link(run),
        execution=_execution(run, schema, nodes),
        available_executions=[_listed(other) for other in others[:MAX_OTHERS]] if others else None,
        total_executions=1 + len(others),
    )


def failure(run: RunView) -> ErrorResponse:
    """A run that was waited for has failed, or was stopped."""
    stopped = run.status == "terminated"
    return ErrorResponse(
        code="run_terminated" if stopped else "run_failed",
        message=f"{failed_words(run)} Don't run it again unchanged: tell the user, with the link {run.link}, or repair "
        "what is wrong.",
        details={
            "execution_id": run.id,
            "status": shown_status(run),
            "error": run.error[:_SHOWN_CHARACTERS],
            "error_code": run.error_code,
            "execution_link": run.link,
            "library_agent_id": run.library_agent_id,
            "library_agent_link": agent_link(run),
        },
    )


def failed_words(run: RunView) -> str:
    """How it has ended that did not complete."""
    if run.status == "terminated":
        return "The run was stopped before its end."
    return f"The run has failed: {run.error[:_SHOWN_CHARACTERS] or run.error_code or 'nobody knows why'}"


def shown_status(run: RunView) -> str:
    """How a tool's answer writes it."""
    return run.status.upper()


def agent_link(run: RunView) -> str:
    """Where a person finds the agent in the console."""
    return f"/#agent={run.library_agent_id}"


def _execution(run: RunView, schema: Mapping[str, Any] | None, nodes: Sequence[NodeView]) -> Execution:
    return Execution(
        execution_id=run.id,
        status=shown_status(run),
        created_at=iso(run.created_at),
        started_at=iso(run.started_at) if run.started_at else None,
        ended_at=iso(run.ended_at) if run.ended_at else None,
        outputs={name: list(values) for name, values in run.outputs.items()},
        inputs_summary=None if schema is None else _summary(run.inputs, schema["properties"]),
        error=run.error or None,
        error_code=run.error_code or None,
        node_executions=[_node(node) for node in nodes[:_MOST_NODES]] if run.dry_run and _shows_all(schema) else None,
        reviews=list(run.reviews),
        is_dry_run=run.dry_run,
        link=run.link,
    )


def _shows_all(schema: Mapping[str, Any] | None) -> bool:
    """Whether the agent is known to take no secret."""
    return schema is not None and not is_secret(schema)


def _summary(inputs: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, str]:
    """Secrets, and what the agent doesn't know any more, are hidden."""
    return {
        name: HIDDEN if name not in properties or is_secret(properties[name]) else _cut(value)
        for name, value in inputs.items()
    }


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _node(node: NodeView) -> NodeExecution:
    return NodeExecution(
        node_id=node.node_id,
        title=node.title,
        block_name=node.block_name,
        status=node.status.upper(),
        inputs=dict(node.inputs),
        outputs={name: list(values) for name, values in node.outputs.items()},
        error=node.error or None,
    )


def _listed(run: RunView) -> ListedExecution:
    return ListedExecution(execution_id=run.id, status=shown_status(run), created_at=iso(run.created_at), link=run.link)
