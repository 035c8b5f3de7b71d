"""Everything that is due, each minute."""

from typing import Any

from shared import wiring
from shared.chat.operations.outside import fail_task
from shared.kernel.errors import Terminal
from shared.kernel.settings import StorageSettings
from shared.kernel.telemetry import log_event, observed
from shared.tasks.sweep import Sweep

_services = wiring.services(StorageSettings.from_environment())


@observed
def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Look at the timers that are due."""

    def end_lost(task_id: str) -> None:
        lost = Terminal("The work was started several times and never got on.", code="worker_lost")
        fail_task(_services, task_id, lost, context.aws_request_id)

    seen = Sweep(_services.database, _services.queue, _services.clock, end_lost).run()
    log_event("sweep.done", timers=seen)
    return {"timers": seen}
