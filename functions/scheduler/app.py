"""Everything that is due, each minute."""

from collections.abc import Callable
from typing import Any

from shared import wiring
from shared.chat.purge import Purge
from shared.kernel.deadline import Deadline, LambdaContext
from shared.kernel.errors import Terminal
from shared.kernel.settings import StorageSettings, ToolSettings
from shared.kernel.telemetry import log_event, observed
from shared.runs.outside import fail_task
from shared.schedules.tick import ERRAND
from shared.tasks.sweep import Sweep
from shared.tools.workspace.store import Workspace

_services = wiring.services(StorageSettings.from_environment())
_settings = ToolSettings.from_environment()
_objects = wiring.workspace_objects(_settings.workspace_bucket)
_workspace = (
    Workspace(_services.database, _objects, _services.clock, _settings.workspace_quota_bytes) if _objects else None
)
_SECONDS_LEFT_BY_SWEEP = 40
"""Of an invocation's 60, for schedules; what the sweep has not got to then comes last."""
_SECONDS_LEFT_BY_SCHEDULES = 15
"""What has begun ends in them; a turn that is stopped has 5 of its own, and its viewers 5."""
_SECONDS_LEFT_BY_PURGES = 35
"""A purge goes on in the next minute."""
_SECONDS_LEFT_IN_THE_END = 10


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look at the timers, fire the schedules that are due, then remove some of what deleted sessions have left.

    What is too much at once comes back to this function as errands; timers that were too many are gone on with last.
    """
    deadline = Deadline.of(context, _services.clock)

    def leaving(seconds: int) -> Callable[[], bool]:
        return lambda: deadline.seconds_left > seconds

    tick = wiring.tick(_services, context.function_name, leaving(_SECONDS_LEFT_BY_SCHEDULES))
    if ERRAND in event:
        return {"fires": tick.do(event[ERRAND])}
    in_time, began = leaving(_SECONDS_LEFT_BY_SWEEP), _services.clock.now()
    try:  # before schedules: somebody may wait for a turn that was lost
        seen, is_cut = _sweep(context, in_time, began), not in_time()
    finally:
        fires = tick.look()
    purged = Purge(_services, _workspace, context.aws_request_id).run(leaving(_SECONDS_LEFT_BY_PURGES))
    if is_cut:
        seen += _sweep(context, leaving(_SECONDS_LEFT_IN_THE_END), began)
    return {"fires": fires, "timers": seen, "purged": purged}


def _sweep(context: LambdaContext, may_go_on: Callable[[], bool], due_by: float) -> int:
    def end_lost(task_id: str) -> None:
        lost = Terminal("The work was started several times and never got on.", code="worker_lost")
        fail_task(_services, task_id, lost, context.aws_request_id)

    seen = Sweep(_services.database, _services.queue, _services.clock, _services.slots, end_lost).run(may_go_on, due_by)
    log_event("sweep.done", timers=seen)
    return seen
