"""The routes about runs; see `routes`."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.agents.running import Origin, RunStatus
from shared.api.agents import Webhook
from shared.api.openapi.problems import OF_BODIES
from shared.api.openapi.route import Answer, Body, Route
from shared.api.runs import NewRun

_RUN_ID = "01K0XS3D5F7H9K2M4P6R8T0V2X"
_AGENT_ID = "01K0XR8M4C2N6V9B3H7J5QTWZE"


class RunProblem(BaseModel):
    """Why a run has ended without success."""

    code: str
    message: str


class ShownSpend(BaseModel):
    """What was used of the model, without the sub-sessions and runs that were started."""

    tokens: int
    cost_micros: int = Field(description="millionths of a US dollar")


class RunHead(BaseModel):
    """A run in short. Times are ISO 8601 in UTC."""

    id: str
    library_agent_id: str
    agent_name: str
    graph_id: str
    version: int
    status: RunStatus
    origin: Origin
    dry_run: bool
    created_at: str
    started_at: str | None
    ended_at: str | None
    nodes_done: int = Field(description="executions of nodes that have ended")
    credits: int
    spend: ShownSpend
    error: RunProblem | None
    reviews: list[str] = Field(description="ids of the reviews that it waits for")


class RunPage(BaseModel):
    """The newest first."""

    runs: list[RunHead]
    next_cursor: str | None


class ShownRun(RunHead):
    """A run with what went in and, when it has ended, what came out."""

    inputs: dict[str, Any]
    outputs: dict[str, list[Any]] = Field(description="all values of each output, in order")


class ShownNode(BaseModel):
    """One execution of one node."""

    node_id: str
    index: int = Field(description="which execution of the node, from 0")
    title: str
    block_id: str
    block_name: str
    status: Literal["waiting", "review", "completed", "failed"]
    inputs: dict[str, Any] = Field(description="long values are cut")
    outputs: dict[str, list[Any]]
    error: str
    started_at: str
    ended_at: str | None
    credits: int
    spend: ShownSpend


class NodePage(BaseModel):
    """In the order in which they ended."""

    nodes: list[ShownNode]
    next_cursor: str | None


class ShownWebhook(BaseModel):
    """Where the ends of an agent's runs are told."""

    url: str | None


_HEAD: dict[str, Any] = {
    "id": _RUN_ID,
    "library_agent_id": _AGENT_ID,
    "agent_name": "Tide table",
    "graph_id": "B289Y6NV59EWYHP3SHMCJ43TRG",
    "version": 3,
    "status": "completed",
    "origin": "api",
    "dry_run": False,
    "created_at": "2025-07-18T12:00:00.000Z",
    "started_at": "2025-07-18T12:00:00.210Z",
    "ended_at": "2025-07-18T12:00:01.480Z",
    "nodes_done": 2,
    "credits": 0,
    "spend": {"tokens": 812, "cost_micros": 940},
    "error": None,
    "reviews": [],
}
_RUN = {**_HEAD, "inputs": {"place": "Husum"}, "outputs": {"tide": ["13:42"]}}
_NODE = {
    "node_id": "told",
    "index": 0,
    "title": "Agent output",
    "block_id": "a8548793-4063-4560-b1fd-49c6900fd30c",
    "block_name": "Agent output",
    "status": "completed",
    "inputs": {"name": "tide", "value": "13:42"},
    "outputs": {"value": ["13:42"]},
    "error": "",
    "started_at": "2025-07-18T12:00:01.300Z",
    "ended_at": "2025-07-18T12:00:01.310Z",
    "credits": 0,
    "spend": {"tokens": 0, "cost_micros": 0},
}
_STOPPED = {
    **_HEAD,
    "status": "terminated",
    "error": {"code": "stopped_by_user", "message": "The run was stopped."},
}
_HOOK = {"url": "https://hooks.example.com/tides"}
_OF_RUN = ("login_required", "RUN_NOT_FOUND")
_OF_AGENT = ("login_required", "AGENT_NOT_FOUND")

RUN_ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/api/runs"): Route(
        {202: Answer("The run, which has begun or waits for its turn.", ShownRun, {**_RUN, "status": "queued"})},
        (
            *_OF_AGENT,
            "GRAPH_NOT_FOUND",
            "credentials_missing",
            "request_id_used",
            "invalid_inputs",
            "inputs_too_large",
            "too_many_runs",
            "run_busy",
            *OF_BODIES,
        ),
        Body(
            (NewRun,),
            {"run": {"library_agent_id": _AGENT_ID, "inputs": {"place": "Husum"}, "request_id": "tides-2025-07-18"}},
        ),
    ),
    ("GET", "/api/runs"): Route(
        {200: Answer("A page.", RunPage, {"runs": [_HEAD], "next_cursor": None})},
        ("login_required", "validation_failed", "invalid_cursor"),
    ),
    ("GET", "/api/runs/{run_id}"): Route({200: Answer("The run.", ShownRun, _RUN)}, _OF_RUN),
    ("GET", "/api/runs/{run_id}/nodes"): Route(
        {200: Answer("A page.", NodePage, {"nodes": [_NODE], "next_cursor": None})},
        (*_OF_RUN, "validation_failed", "invalid_cursor"),
    ),
    ("POST", "/api/runs/{run_id}/cancel"): Route({200: Answer("The run as it is now.", RunHead, _STOPPED)}, _OF_RUN),
    ("GET", "/api/agents/{agent_id}/webhook"): Route({200: Answer("The address.", ShownWebhook, _HOOK)}, _OF_AGENT),
    ("PUT", "/api/agents/{agent_id}/webhook"): Route(
        {200: Answer("The address.", ShownWebhook, _HOOK)},
        (*_OF_AGENT, "credentials_missing", "invalid_webhook_url", *OF_BODIES),
        Body((Webhook,), {"set": _HOOK}),
    ),
    ("DELETE", "/api/agents/{agent_id}/webhook"): Route(
        {204: Answer("Nobody is told any more.")}, (*_OF_AGENT, "WEBHOOK_NOT_FOUND")
    ),
}
