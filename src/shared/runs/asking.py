"""Runs that people and programs ask for over HTTP.

| record  | pk             | sk               | notes                                                           |
|---------|----------------|------------------|-----------------------------------------------------------------|
| request | `RUNS#{user}`  | `REQUEST#{id}`   | put once for a caller's own id: which run it has asked for      |
"""

from collections.abc import Mapping
from typing import Any

from shared.agents.graphs.model import Graph
from shared.agents.graphs.schemas import check_inputs, input_schema
from shared.agents.library.records import LibraryAgent
from shared.agents.running import AgentRuns, RunRequest, RunView
from shared.aws.database import ConditionFailed
from shared.aws.writes import Put
from shared.chat.services import Services
from shared.kernel.clock import to_millis
from shared.kernel.errors import Invalid
from shared.tasks.lineage import Lineage

RECORD_VERSION = 1
_KEPT_SECONDS = 86_400


def ask_for_run(
    services: Services,
    runs: AgentRuns,
    graph: Graph,
    agent: LibraryAgent,
    inputs: Mapping[str, Any],
    dry_run: bool,
    request_id: str | None,
) -> RunView:
    """Start a run of the agent, once for each `request_id`.

    Raises:
        Invalid: the inputs don't fit; nothing was started.
        LimitReached, Retryable: see `AgentRuns.start`.
    """
    schema = input_schema(graph)
    checked = check_inputs(schema, inputs)
    if not checked.fit:
        wrong = {"unknown": list(checked.unknown), "missing": list(checked.missing), "problems": list(checked.problems)}
        message = "The inputs don't fit the agent; give what it asks for."
        raise Invalid(message, code="invalid_inputs", details={**wrong, "inputs": schema})
    run_id = services.ids.new()
    if request_id:
        run_id = _claimed(services, agent.user_id, request_id, run_id)
    return runs.start(RunRequest(run_id, agent, inputs, "api", Lineage(dry_run=dry_run)))


def _claimed(services: Services, user_id: str, request_id: str, run_id: str) -> str:
    """The run that the id stands for: this one, unless it was asked for before."""
    item = {
        "pk": f"RUNS#{user_id}",
        "sk": f"REQUEST#{request_id}",
        "v": RECORD_VERSION,
        "run_id": run_id,
        "expires_at": to_millis(services.clock.now()) // 1000 + _KEPT_SECONDS,
    }
    try:
        services.database.write(Put(item, condition="attribute_not_exists(#pk)"))
    except ConditionFailed as failure:
        return str((failure.item or {})["run_id"])
    return run_id
