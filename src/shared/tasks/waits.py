"""Waiting that costs nothing: a task that waits holds no lease and no Lambda, and somebody wakes it.

| record | pk               | sk                  | notes                                             |
|--------|------------------|---------------------|---------------------------------------------------|
| waiter | `WAIT#{awaited}` | `TASK#{id}#{call}`  | `awaited` is the partition key of a record        |

What is awaited is a record at `{awaited}` / `META` whose `status` says whether it is still open. Whoever
waits puts its waiter rows first and then reads what it awaits once more; whoever settles a record changes
its status first, and the waiters are looked up after that. So one of the two sees the other. A wake-up may
come twice, or late: it changes nothing but the inbox, and the one who is woken looks for itself.

`PAUSE#{task}` has no record of its own: it is settled while the task waits for its user (its `asks` says so), and when
the task has ended; `PAUSE#{task}@{epoch}` only if it was taken up since that epoch. A task may ask several times, so
these waiters stay until their TTL.
"""

from collections.abc import Mapping
from typing import Any

from shared.aws.database import Database, TransactionFailed
from shared.aws.queue import TurnQueue
from shared.aws.writes import Delete, Put, Update, Write
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import log_event, log_problem
from shared.tasks.records import LIVE, LIVE_VALUES, Task, task_key, timer_item
from shared.tasks.store import get_task
from shared.tasks.wait import PAUSE, Wait, pause_of

RECORD_VERSION = 1
MAX_MESSAGE_DELAY_SECONDS = 900
"""What SQS allows; later deadlines are the sweep's."""

_OPEN = frozenset({"queued", "running", "waiting", "pending"})
_TIMER_SECONDS = 30
_TTL_SECONDS = 7 * 24 * 3600
_ATTEMPTS = 5


def waiters(wait: Wait, task_id: str, tool_call_id: str) -> list[Put]:
    """The writes after which the task is woken when something of it is settled."""
    return [
        Put(
            {
                "pk": f"WAIT#{awaited.partition('@')[0]}",
                "sk": f"TASK#{task_id}#{tool_call_id}",
                "v": RECORD_VERSION,
                "task_id": task_id,
                "expires_at": wait.until // 1000 + _TTL_SECONDS,
            }
        )
        for awaited in wait.on
    ]


def is_over(database: Database, wait: Wait, now: int) -> bool:
    """Whether there is nothing more to wait for: enough is settled, or the time has come."""
    if now >= wait.until:
        return True
    enough = any if wait.need == "any" else all
    return bool(wait.on) and enough(_is_settled(database, awaited) for awaited in wait.on)


def _is_settled(database: Database, awaited: str) -> bool:
    """A record that is gone will not change any more either."""
    task_id, behind = pause_of(awaited)
    item = database.get(task_key(task_id) if task_id else {"pk": awaited, "sk": "META"})
    if item is None or item.get("status") not in _OPEN:
        return True
    return bool(task_id) and item["status"] == "waiting" and bool(item.get("asks")) and item["epoch"] > behind


def wake_waiters(database: Database, queue: TurnQueue, clock: Clock, awaited: str) -> int:
    """Wake whoever waits for the record; how many that were. May be repeated.

    Raises:
        Retryable: somebody was not woken yet; call it again.
    """
    found = list(database.query("#pk = :pk", {"pk": f"WAIT#{awaited}"}))
    for row in found:
        wake(database, queue, clock, row["task_id"])
        if not awaited.startswith(PAUSE):
            database.write(Delete({"pk": row["pk"], "sk": row["sk"]}))
    return len(found)


def wake(database: Database, queue: TurnQueue, clock: Clock, task_id: str, *, cancel: bool = False) -> bool:
    """Tell the task to look at what it waits for; one that has ended is left alone, and the answer is False.

    With `cancel` it is told to stop, by whoever works on it or is sent to it now.

    Raises:
        Retryable: it was not told.
    """
    for _ in range(_ATTEMPTS):
        task = get_task(database, task_id)
        if task is None or task.status.ended:
            return False
        if _told(database, clock, task, cancel=cancel):
            log_event("turn.cancel_requested" if cancel else "task.woken", **task.ids, status=task.status.value)
            send_on(queue, task)
            return True
    raise Retryable("The task changes too fast to be woken.", code="task_busy")


def _told(database: Database, clock: Clock, task: Task, *, cancel: bool) -> bool:
    """Raise the inbox, and have a sweep look soon: the timer of a waiting task sleeps until its deadline."""
    try:
        also_set, values = (", #cancel_requested = :yes", {"yes": True}) if cancel else ("", {})
        database.transact(telling(task, to_millis(clock.now()), also_set, values))
    except TransactionFailed:
        return False
    return True


def telling(task: Task, now: int, also_set: str = "", values: Mapping[str, Any] | None = None) -> list[Write]:
    """The writes of `wake`, for a change that wakes the task; the first fails if it has ended or changed meanwhile."""
    generation = task.timer_generation + 1
    told = Update(
        task_key(task.id),
        f"SET #inbox = #inbox + :one, #timer_generation = :generation, #wait_until = :now{also_set}",
        condition=f"{LIVE} AND #inbox = :seen",
        values={**LIVE_VALUES, **(values or {}), "one": 1, "generation": generation, "now": now, "seen": task.inbox},
    )
    return [told, Put(timer_item(task.id, now + _TIMER_SECONDS * 1000, generation))]


def send_on(queue: TurnQueue, task: Task) -> None:
    """Send the task's message; if that fails, its timer does it."""
    try:
        queue.send(task.id, task.user_id, kind=task.kind)
    except Retryable as error:  # its timer sends it within a minute
        log_problem("turn.send_failed", **task.ids, code=error.code)
