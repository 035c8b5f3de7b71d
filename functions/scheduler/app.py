"""Everything that is due, each minute."""

from typing import Any

from shared import wiring
from shared.chat.purge import Purge
from shared.kernel.deadline import Deadline, LambdaContext
from shared.kernel.errors import Terminal
from shared.kernel.settings import StorageSettings, ToolSettings
from shared.kernel.telemetry import log_event, observed
from shared.runs.outside import fail_task
from shared.tasks.sweep import Sweep
from shared.tools.workspace.store import Workspace

_services = wiring.services(StorageSettings.from_environment())
_settings = ToolSettings.from_environment()
_objects = wiring.workspace_objects(_settings.workspace_bucket)
_workspace = (
    Workspace(_services.database, _objects, _services.clock, _settings.workspace_quota_bytes) if _objects else None
)
_SECONDS_LEFT_BY_PURGES = 35
"""Of an invocation's 60: the sweep comes first, and a purge goes on in the next minute."""


@observed
def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look at the timers that are due, then remove some of what deleted sessions have left."""
    deadline = Deadline.of(context, _services.clock)

    def end_lost(task_id: str) -> None:
        lost = Terminal("The work was started several times and never got on.", code="worker_lost")
        fail_task(_services, task_id, lost, context.aws_request_id)

    seen = Sweep(_services.database, _services.queue, _services.clock, _services.slots, end_lost).run()
    log_event("sweep.done", timers=seen)
    purge = Purge(_services, _workspace, context.aws_request_id)
    purged = purge.run(lambda: deadline.seconds_left > _SECONDS_LEFT_BY_PURGES)
    return {"timers": seen, "purged": purged}
