"""Routes under /api/runs, and those by which an agent's runs tell others how they stand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from shared.accounts.users import User
from shared.agents.graphs.model import MAX_NODES
from shared.agents.library.library import Library
from shared.agents.running import NodeView, RunFilter, RunStatus, RunView
from shared.agents.setup import Accounts
from shared.api.bodies import read_body
from shared.api.callers import not_a_guest
from shared.api.parameters import MAX_ID_CHARACTERS, Cursor, Id, Limit, SomeId
from shared.api.threads import in_thread
from shared.chat.requests import Body, parse_json, validated
from shared.chat.services import Services
from shared.kernel.clock import iso
from shared.kernel.cursors import cursor_of, place_of
from shared.kernel.errors import NotFound
from shared.runs.asking import Asked, ask_for_run
from shared.runs.starting import Runs
from shared.stream.parts import encode

MAX_PAGE_BYTES = 3_000_000
"""A Lambda function answers 6 MB at most, and what is JSON already is escaped once more."""
_CUT = "(left out: the answer would be too large)"


class NewRun(Body):
    """POST /api/runs."""

    library_agent_id: Id
    inputs: dict[str, Any] = Field(default_factory=dict, max_length=MAX_NODES)
    dry_run: bool = False
    request_id: Id | None = Field(default=None, description="The same id again, within a day, starts nothing new.")


def runs_router(services: Services, signed_in: Callable[..., User], accounts: Accounts | None) -> APIRouter:
    """The routes; `signed_in` finds the caller, `accounts` knows what users have connected: None, if nobody can."""

    async def owner(request: Request, user: Annotated[User, Depends(signed_in)]) -> User:
        """The caller, if they may have runs; an id longer than any of ours is not looked up."""
        not_a_guest(user)
        if len(request.path_params.get("run_id", "")) > MAX_ID_CHARACTERS:
            raise _no_such()
        return user

    router = APIRouter(prefix="/api/runs", tags=["agents"])
    caller = Annotated[User, Depends(owner)]
    library = Library(services.database, services.clock)
    runs = Runs(services, library)

    @router.post("", status_code=202)
    async def start_run(request: Request, user: caller) -> dict[str, Any]:
        """Start an agent of the caller's library."""
        body: NewRun = validated(NewRun, parse_json(await read_body(request)))

        def start() -> RunView:
            asked = Asked(user.id, body.library_agent_id, body.inputs, body.dry_run, body.request_id)
            return ask_for_run(services, runs, library, accounts, asked)

        return shown_run(await in_thread(start))

    @router.get("")
    def list_runs(
        user: caller,
        limit: Limit = 30,
        cursor: Cursor = None,
        library_agent_id: SomeId = "",
        statuses: Annotated[list[RunStatus], Query(max_length=len(get_args(RunStatus)))] = [],  # noqa: B006 - FastAPI copies it
    ) -> dict[str, Any]:
        """The caller's runs, the newest first, without their outputs."""
        before = str(place_of(cursor, str)[0]) if cursor else ""
        wanted = RunFilter(library_agent_id, statuses=frozenset(statuses), limit=limit, before=before)
        page = runs.page(user.id, wanted)
        following = cursor_of(page.next) if page.next else None
        return {"runs": [head_of_run(run) for run in page.runs], "next_cursor": following}

    @router.get("/{run_id}")
    def read_run(run_id: str, user: caller) -> dict[str, Any]:
        """A run with its inputs and, when it has ended, its outputs."""
        return shown_run(_found(runs.look(user.id, run_id)))

    @router.get("/{run_id}/nodes")
    def list_nodes(run_id: str, user: caller, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """What its nodes have done, in the order in which they ended; last those that wait."""
        start = int(place_of(cursor, int)[0]) if cursor else 0
        page = runs.page_of_nodes(user.id, run_id, max(0, start), limit)
        if page is None:
            raise _no_such()
        following = None if page.next is None else cursor_of(page.next)
        return {"nodes": _fitting([_shown_node(node) for node in page.nodes], "outputs"), "next_cursor": following}

    @router.post("/{run_id}/cancel")
    def cancel_run(run_id: str, user: caller) -> dict[str, Any]:
        """Stop it; one that has ended stays as it is."""
        return head_of_run(_found(runs.stop(user.id, run_id)))

    return router


def head_of_run(run: RunView) -> dict[str, Any]:
    """What a list shows of it."""
    return {
        "id": run.id,
        "library_agent_id": run.library_agent_id,
        "agent_name": run.agent_name,
        "graph_id": run.graph_id,
        "version": run.version,
        "status": run.status,
        "origin": run.origin,
        "dry_run": run.dry_run,
        "created_at": iso(run.created_at),
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "nodes_done": run.nodes_done,
        "credits": run.credits,
        "spend": asdict(run.spend),
        "error": {"code": run.error_code, "message": run.error} if run.error_code else None,
        "reviews": list(run.reviews),
    }


def shown_run(run: RunView) -> dict[str, Any]:
    """The whole of it, as far as an answer can hold it."""
    values = [{"name": name, "values": list(of_it)} for name, of_it in run.outputs.items()]
    outputs = {one["name"]: one["values"] for one in _fitting(values, "values")}
    return {**head_of_run(run), "inputs": dict(run.inputs), "outputs": outputs}


def _shown_node(node: NodeView) -> dict[str, Any]:
    return {**asdict(node), "started_at": iso(node.started_at), "ended_at": _time(node.ended_at)}


def _fitting(entries: Sequence[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    """The entries; from where they would be too large together on, `field` says that it was left out."""
    left, fitting = MAX_PAGE_BYTES, []
    for entry in entries:
        left -= len(encode(entry).encode())
        left_out: Any = {"note": [_CUT]} if isinstance(entry[field], Mapping) else [_CUT]
        fitting.append(entry if left >= 0 else {**entry, field: left_out})
    return fitting


def _time(millis: int | None) -> str | None:
    return None if millis is None else iso(millis)


def _found(run: RunView | None) -> RunView:
    if run is None:
        raise _no_such()
    return run


def _no_such() -> NotFound:
    return NotFound("There is no such run.", code="RUN_NOT_FOUND")
