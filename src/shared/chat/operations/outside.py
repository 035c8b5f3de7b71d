"""Ending a task of whatever kind from outside, because it can't be worked on."""

from shared.chat.operations.records import Verdict
from shared.chat.operations.work import end_operation
from shared.chat.services import Services
from shared.chat.turn.ending import Outcome
from shared.chat.turn.outside import end_from_outside
from shared.kernel.errors import Terminal
from shared.tasks.store import get_task


def fail_task(services: Services, task_id: str, error: Terminal, caller: str) -> bool:
    """Take the lease from whoever has it and end the task with `error`; False if it had ended already."""
    task = get_task(services.database, task_id)
    if task is not None and task.operation_id:
        return end_operation(services, task_id, Verdict.failure(error.code, error.message), caller)
    return end_from_outside(services, task_id, Outcome.failed(error), caller)
