"""Everything that is due, each minute."""

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
_SECONDS_LEFT_BY_SCHEDULES = 15
"""Of an invocation's 60: what has begun ends in them; a turn that is stopped has 5 of its own, and its viewers 5."""
_SECONDS_LEFT_BY_PURGES = 35
"""The sweep comes first, and a purge goes on in the next minute."""


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look at the timers, fire the schedules that are due, then remove some of what deleted sessions have left.

    What is too much at once comes back to this function as errands.
    """
    deadline = Deadline.of(context, _services.clock)
    tick = wiring.tick(_services, context.function_name, lambda: deadline.seconds_left > _SECONDS_LEFT_BY_SCHEDULES)
    if ERRAND in event:
        return {"fires": tick.do(event[ERRAND])}
    try:  # before schedules, which may take all there is of the minute
        seen = _sweep(context)
    finally:
        fires = tick.look()
    purge = Purge(_services, _workspace, context.aws_request_id)
    purged = purge.run(lambda: deadline.seconds_left > _SECONDS_LEFT_BY_PURGES)
    return {"fires": fires, "timers": seen, "purged": purged}


def _sweep(context: LambdaContext) -> int:
    def end_lost(task_id: str) -> None:
        lost = Terminal("The work was started several times and never got on.", code="worker_lost")
        fail_task(_services, task_id, lost, context.aws_request_id)

    seen = Sweep(_services.database, _services.queue, _services.clock, _services.slots, end_lost).run()
    log_event("sweep.done", timers=seen)
    return seen
