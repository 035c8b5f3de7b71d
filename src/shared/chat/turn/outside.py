"""Ending a turn from outside: a stop that nobody obeys, a worker that never came back, a dead letter."""

from shared.chat.services import Services
from shared.chat.transcript import load_messages
from shared.chat.turn.ending import Ending, Outcome
from shared.chat.turn.owner import TurnOwner
from shared.kernel.telemetry import log_problem
from shared.tasks.lease import LeaseLost

_DELIVER_SECONDS = 5.0
"""The caller answers a request or has other turns to end: it can't be as patient as a worker."""


def end_from_outside(services: Services, task_id: str, outcome: Outcome, caller: str) -> bool:
    """Take the lease from whoever has it and end the turn; False if it had ended already.

    The old owner, if it lives, finds a higher epoch at its next write and stops.
    """
    taken = services.leases.seize(task_id, caller)
    if taken is None:
        return False
    lease, task = taken
    owner = TurnOwner(services, lease, task)
    owner.obeys_cancel = False
    try:
        owner.open()
        messages = load_messages(services.database, task.session_id, task.context_from)
        Ending(services, owner).abort(outcome, messages)
        owner.deliver_end(_DELIVER_SECONDS)
    except LeaseLost:
        log_problem("turn.lease_lost", **task.ids, epoch=lease.epoch)
    return True
