"""How what a schedule has started has ended, and that a schedule has stopped: what the State table's stream brings.

The end is in the history, and too many failures in a row pause the schedule. Whatever has stopped it, its user is told.
"""

from dataclasses import replace

from shared.aws.writes import Update, Write
from shared.chat.services import Services
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import count, log_event
from shared.schedules.planning import after_failure
from shared.schedules.records import MOST_ERROR_CHARACTERS, Fire, Result, Schedule, changing, fired_key
from shared.schedules.store import ScheduleStore
from shared.stream import frames
from shared.stream.notices import notify_user
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import get_task

_ATTEMPTS = 6
_RESULTS: dict[TaskStatus, Result] = {
    TaskStatus.COMPLETED: "completed",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLED: "cancelled",
}


def settle_fire(services: Services, task_id: str) -> None:
    """Record the end of a task that a schedule has started; may be called again.

    Raises:
        Retryable: others change the schedule all the time; call again.
    """
    task = get_task(services.database, task_id)
    if task is None or not task.schedule_id or not task.status.ended:
        return
    store = ScheduleStore(services.database)
    for _ in range(_ATTEMPTS):
        schedule = store.find(task.user_id, task.schedule_id)
        fire = store.fire_of(task.schedule_id, task_id, services.clock.now())
        if schedule is None or (fire.result if fire else schedule.last_task != task_id or schedule.last_counted):
            return
        after = _after(schedule, task)
        if fire is None:  # fires that were left out, while it ran, have taken its place
            after = replace(after, last_counted=True)
        changed = changing(schedule, after) if after != schedule else []
        if store.write([*([_result(fire, task)] if fire else []), *changed]):
            if after.status != schedule.status:
                log_event("schedule.paused", schedule_id=schedule.id, user_id=schedule.user_id, reason=after.reason)
                count("ScheduleFailed")
            return
    raise Retryable("The schedule changes too fast.", code="schedule_busy")


def tell_stopped(services: Services, user_id: str, schedule_id: str) -> None:
    """Tell its user that a schedule fires no more, and why; of one that its user has paused nobody is told."""
    schedule = ScheduleStore(services.database).find(user_id, schedule_id)
    if schedule is None or schedule.status == "active" or schedule.reason == "user":
        return
    frame = frames.notify(
        "schedule-paused",
        schedule_id=schedule.id,
        name=schedule.name,
        status=schedule.status,
        reason=schedule.reason,
        error=schedule.last_error,
    )
    notify_user(services.database, services.sockets, user_id, frame)


def _after(schedule: Schedule, task: Task) -> Schedule:
    if task.status is TaskStatus.COMPLETED:
        return replace(schedule, failures=0, last_error="") if schedule.failures or schedule.last_error else schedule
    if task.status is not TaskStatus.FAILED:
        return schedule
    return after_failure(schedule, (task.error or {}).get("code", ""), _error_of(task))


def _result(fire: Fire, task: Task) -> Write:
    return Update(
        fired_key(fire.schedule_id, fire.place),
        "SET #result = :result, #error = :error",
        condition="#task_id = :task AND attribute_not_exists(#result)",
        values={"result": _RESULTS[task.status], "error": _error_of(task), "task": task.id},
    )


def _error_of(task: Task) -> str:
    return task.error["message"][:MOST_ERROR_CHARACTERS] if task.error else ""
