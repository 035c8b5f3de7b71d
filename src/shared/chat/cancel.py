"""Stopping a session's turn."""

from dataclasses import dataclass
from typing import Any, Literal

from shared.chat.services import Services
from shared.chat.sessions import owned_session
from shared.chat.stopping import stop_asking
from shared.chat.turn.ending import Outcome
from shared.chat.turn.outside import end_from_outside
from shared.kernel.clock import to_millis
from shared.kernel.telemetry import log_event
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import get_task, request_cancel

_OBEY_SECONDS = 5.0
_POLL_SECONDS = 0.15
_HAND_OVERS = 3

Reason = Literal["cancelled", "dequeued", "forced", "no_active_task"]


@dataclass(frozen=True)
class Cancelled:
    """What a stop achieved."""

    reason: Reason
    task_id: str | None = None

    def public(self) -> dict[str, Any]:
        """What the API shows."""
        return {"cancelled": self.reason != "no_active_task", "task_id": self.task_id, "reason": self.reason}


def cancel_turn(services: Services, user_id: str, session_id: str, only_task: str | None = None) -> Cancelled:
    """Stop the session's turn; when this returns it has ended, whoever had to end it.

    With `only_task` nothing happens unless that is the turn that runs.

    Raises:
        NotFound: the session does not exist for this user.
    """
    task = _requested(services, user_id, session_id, only_task)
    if task is None and only_task is None:
        stop_asking(services, session_id)
    if task is None:
        return Cancelled("no_active_task")
    return end_requested(services, task)


def end_requested(services: Services, task: Task) -> Cancelled:
    """See to the end of a turn that has been asked to stop: by its worker within 5 s, or else by force."""
    log_event("turn.cancel_requested", **task.ids)
    if not task.leased(to_millis(services.clock.now())):
        queued = task.status is TaskStatus.QUEUED and task.epoch == 0  # one that has waited queues again
        reason: Reason = "dequeued" if queued else "cancelled"
        end_from_outside(services, task.id, Outcome.cancelled(reason), f"cancel-{services.ids.new()}")
        return _outcome(services, task.id, reason)
    if ended_in_time(services, task.id):
        return _outcome(services, task.id, "cancelled")
    end_from_outside(services, task.id, Outcome.cancelled("forced"), f"cancel-{services.ids.new()}")
    return _outcome(services, task.id, "forced")


def _requested(services: Services, user_id: str, session_id: str, only_task: str | None) -> Task | None:
    """The turn that has been asked to stop; None if there is none.

    A turn that ends at this instant may hand the session to the next one: that is then the one meant.
    """
    for _ in range(_HAND_OVERS):
        session = owned_session(services.database, session_id, user_id)
        if session.active_task is None or only_task not in {None, session.active_task}:
            return None
        task = request_cancel(services.database, session.active_task)
        if task is not None:
            return task
    return None


def ended_in_time(services: Services, task_id: str) -> bool:
    """Whether the task's worker ends it within 5 s of having been asked."""
    limit = services.clock.now() + _OBEY_SECONDS
    while services.clock.now() < limit:
        task = get_task(services.database, task_id)
        if task is None or task.status.ended:
            return True
        services.clock.sleep(_POLL_SECONDS)
    return False


def _outcome(services: Services, task_id: str, reason: Reason) -> Cancelled:
    """A turn that was just about to end by itself has not been cancelled."""
    task = get_task(services.database, task_id)
    if task is not None and task.status is TaskStatus.CANCELLED:
        return Cancelled(reason, task_id)
    return Cancelled("no_active_task")
