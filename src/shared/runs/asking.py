"""Runs that people and programs ask for over HTTP.

| record  | pk             | sk               | notes                                                           |
|---------|----------------|------------------|-----------------------------------------------------------------|
| request | `RUNS#{user}`  | `REQUEST#{id}`   | put once for a caller's own id: what was asked for, and the run, a day |
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.agents.graphs.schemas import require_fit
from shared.agents.library.accounts import require_accounts
from shared.agents.library.library import Library
from shared.agents.running import RunRequest, RunView
from shared.agents.setup import Accounts
from shared.aws.database import ConditionFailed
from shared.aws.writes import Item, Key, Put
from shared.chat.services import Services
from shared.kernel.clock import to_millis
from shared.kernel.errors import Conflict
from shared.kernel.ids import digest
from shared.runs.starting import Runs
from shared.tasks.lineage import Lineage

RECORD_VERSION = 1
_KEPT_SECONDS = 86_400


@dataclass(frozen=True)
class Asked:
    """What somebody wants to have run."""

    user_id: str
    library_agent_id: str
    inputs: Mapping[str, Any]
    dry_run: bool
    request_id: str | None
    """Of the caller's choice: the same one starts once."""


def ask_for_run(services: Services, runs: Runs, library: Library, accounts: Accounts | None, asked: Asked) -> RunView:
    """Start a run of the agent. Without `accounts` this deployment keeps none.

    What was asked for before under the same id is answered with its run, whatever became of its agent since.

    Raises:
        Conflict: the user must connect an account first, or the id stands for something else; nothing was started.
        Invalid: the inputs don't fit; nothing was started.
        NotFound: there is no such agent, or its graph is gone.
        LimitReached, Retryable: see `Runs.start`.
    """
    known = _known(services, asked)
    if known and (begun := runs.again(asked.user_id, known)):
        return begun
    agent = library.get(asked.user_id, asked.library_agent_id)
    graph = library.graph(agent)
    require_accounts(library, accounts, agent, graph, "Nothing was run")
    require_fit(graph, asked.inputs)
    run_id = known or _claimed(services, asked, services.ids.new())
    return runs.start(RunRequest(run_id, agent, asked.inputs, "api", Lineage(dry_run=asked.dry_run)))


def _known(services: Services, asked: Asked) -> str:
    """The run that the id stands for already; empty: none."""
    item = services.database.get(_request_key(asked.user_id, asked.request_id)) if asked.request_id else None
    return _run_of(item, asked) if item and item["expires_at"] > services.clock.now() else ""


def _claimed(services: Services, asked: Asked, run_id: str) -> str:
    """The same; from now on it is this one, unless another call was quicker."""
    if not asked.request_id:
        return run_id
    now = to_millis(services.clock.now()) // 1000
    item = {
        **_request_key(asked.user_id, asked.request_id),
        "v": RECORD_VERSION,
        "run_id": run_id,
        "digest": _digest(asked),
        "expires_at": now + _KEPT_SECONDS,
    }
    try:
        free = "attribute_not_exists(#pk) OR #expires_at <= :now"
        services.database.write(Put(item, condition=free, values={"now": now}))
    except ConditionFailed as failure:
        return _run_of(failure.item or {}, asked)
    return run_id


def _run_of(claim: Item, asked: Asked) -> str:
    if claim["digest"] != _digest(asked):
        message = "This request_id was used within a day for another agent, other inputs or another dry_run."
        raise Conflict(message, code="request_id_used", details={"run_id": claim["run_id"]})
    return str(claim["run_id"])


def _digest(asked: Asked) -> str:
    return digest(json.dumps([asked.library_agent_id, asked.inputs, asked.dry_run], sort_keys=True))


def _request_key(user_id: str, request_id: str) -> Key:
    return {"pk": f"RUNS#{user_id}", "sk": f"REQUEST#{request_id}"}
