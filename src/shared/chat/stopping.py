"""How a stop goes down a tree: to the turns that a turn has started, and through those that ask their user.

A turn that has paused has ended, so nobody can cancel it; but what it asks is asked no more, and what it has started
stops with it.
"""

from shared.aws.database import TransactionFailed
from shared.chat.approvals import STOPPED, close_approvals
from shared.chat.pending import deletions, load_pending, told_apart
from shared.chat.services import Services
from shared.chat.sessions import Session, session_key
from shared.kernel.clock import to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import log_event
from shared.tasks.lineage import TAKES_CHILDREN_ALONG, children_of
from shared.tasks.records import Task
from shared.tasks.store import get_task
from shared.tasks.waits import wake

_ATTEMPTS = 3


def stop_children(services: Services, task_id: str) -> int:
    """Have what an ended task has started for itself stop too; how many that were. May be repeated.

    Raises:
        Retryable: somebody was not told yet; call it again.
    """
    task = get_task(services.database, task_id)
    if task is None or task.status not in TAKES_CHILDREN_ALONG:
        return 0
    return _stop_below(services, task)


def stop_asking(services: Services, session_id: str, paused_task: str = "") -> int:
    """Stop what a session's turn has begun that has paused; how many turns that were, with it. May be repeated.

    With `paused_task` nothing happens unless that is the turn.

    Raises:
        Retryable: answers and messages come too fast, or somebody further down was not told yet.
    """
    for _ in range(_ATTEMPTS):
        item = services.database.get(session_key(session_id))
        session = Session.from_item(item) if item else None
        if session is None or session.awaiting is None or paused_task not in {"", session.awaiting.task}:
            return 0
        users, _notices = told_apart(load_pending(services.database, session_id))
        try:
            close_approvals(services.database, session, STOPPED, to_millis(services.clock.now()), deletions(users))
        except TransactionFailed:  # an answer was quicker, or another message
            continue
        log_event("approval.closed", session_id=session_id, task_id=session.awaiting.task, user_id=session.owner)
        paused = get_task(services.database, session.awaiting.task)
        return 1 + (_stop_below(services, paused) if paused else 0)
    raise Retryable("The session is too busy right now; stop it again.", code="session_busy")


def _stop_below(services: Services, task: Task) -> int:
    return sum(_stop(services, child) for child in children_of(services.database, task))


def _stop(services: Services, task_id: str) -> int:
    if wake(services.database, services.queue, services.clock, task_id, cancel=True):
        return 1
    task = get_task(services.database, task_id)
    return stop_asking(services, task.session_id, task_id) if task else 0
