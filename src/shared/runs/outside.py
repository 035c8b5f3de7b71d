"""Ending a task of whatever kind from outside: a stop that nobody obeys, a worker that never came back."""

from shared.chat.operations.records import Verdict as OperationVerdict
from shared.chat.operations.work import end_operation
from shared.chat.services import Services
from shared.chat.turn.ending import Outcome
from shared.chat.turn.outside import end_from_outside
from shared.kernel.errors import Terminal
from shared.kernel.telemetry import log_problem
from shared.runs.deliveries import fail_delivery
from shared.runs.ending import Ending, Verdict, run_owner
from shared.runs.records import load_run
from shared.tasks.lease import LeaseLost
from shared.tasks.store import get_task

_DELIVER_SECONDS = 5.0
"""The caller answers a request or has other tasks to end."""


def fail_task(services: Services, task_id: str, error: Terminal, caller: str) -> bool:
    """Take the lease from whoever has it and end the task with `error`; False if it had ended already."""
    task = get_task(services.database, task_id)
    if task is not None and task.kind == "run":
        return end_run(services, task_id, Verdict.failure(error.code, error.message), caller)
    if task is not None and task.kind == "delivery":
        return fail_delivery(services, task_id, error, caller)
    if task is not None and task.operation_id:
        return end_operation(services, task_id, OperationVerdict.failure(error.code, error.message), caller)
    return end_from_outside(services, task_id, Outcome.failed(error), caller)


def end_run(services: Services, run_id: str, verdict: Verdict, caller: str) -> bool:
    """The same for a run."""
    taken = services.leases.seize(run_id, caller)
    if taken is None:
        return False
    lease, task = taken
    run = load_run(services.database, run_id)
    assert run is not None, "it is put with its task"
    owner = run_owner(services, lease, task)
    try:
        owner.open()
        Ending(services, owner, run).end(verdict, [], 0)
        owner.deliver_end(_DELIVER_SECONDS)
    except LeaseLost:
        log_problem("turn.lease_lost", **task.ids, epoch=lease.epoch)
    return True
