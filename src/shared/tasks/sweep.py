"""The minute sweep: one timer row per live task is all the recovery there is.

| the task is               | then                                                                 |
|---------------------------|----------------------------------------------------------------------|
| queued                    | send its message again, look again: the longer it waits, the later   |
| leased, which is stale    | send its message again, count a takeover, look again                 |
| leased and fresh          | look again                                                           |
| waiting                   | look again at its deadline, and then send its message                |
| without a slot            | hand out slots that are free, look again                             |
| ended, with viewers owed  | send its message again, so that a worker delivers                    |
| ended and delivered, gone | forget the timer                                                     |
| woken, with a newer timer | forget this one                                                      |

Five takeovers in a row without a stored step: whatever kills its workers will kill the next one too.

What has been due the longest comes first, so a sweep that is cut off goes on there a minute later, and no shard is
always the last.
"""

import heapq
from collections.abc import Callable, Iterator

from shared.aws.database import ConditionFailed, Database, TransactionFailed
from shared.aws.queue import TurnQueue
from shared.aws.writes import Delete, Item, Put, Update
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import count, log_event, log_failure, log_problem, measure_seconds
from shared.tasks.records import LIVE, LIVE_VALUES, TIMER_SHARDS, Task, TaskStatus, due_of, task_key, timer_item
from shared.tasks.slots import Slots
from shared.tasks.store import get_task

MAX_TAKEOVERS = 5
_REARM_MILLIS = 20_000
_MOST_REARM_MILLIS = 120_000
"""Of what waits in a backlog: a message more for each minute of each task would make that longer still."""
_PORTION = 100
"""Timers of a shard that are read at once."""


class Sweep:
    """Looks at every timer that is due."""

    def __init__(
        self, database: Database, queue: TurnQueue, clock: Clock, slots: Slots, end_lost: Callable[[str], object]
    ) -> None:
        self._database = database
        self._slots = slots
        self._queue = queue
        self._clock = clock
        self._end_lost = end_lost

    def run(self, may_go_on: Callable[[], bool] = lambda: True, due_by: float | None = None) -> int:
        """Look at what is due while `may_go_on`; how many timers that were. What fails is left for the next minute.

        `due_by`, in seconds, is when the sweep began that this one goes on with: what that one has put off stays so.
        """
        seen = 0
        for timer in self._due(self._clock.now() if due_by is None else due_by):
            if not may_go_on():
                break
            seen += 1
            measure_seconds("SweepLag", self._clock.now() - due_of(timer) / 1000)
            try:
                self._look_at(timer)
            except Exception as error:  # noqa: BLE001 - one turn's trouble must not keep all others from recovery
                log_failure("timer.failed", error, task_id=timer["task_id"])
                count("WorkFailed")
        return seen

    def _due(self, now: float) -> Iterator[Item]:
        """Of all shards, the oldest first."""
        latest = f"{to_millis(now):013d}#~"
        return heapq.merge(*(self._due_in(shard, latest) for shard in range(TIMER_SHARDS)), key=due_of)

    def _due_in(self, shard: int, latest: str) -> Iterator[Item]:
        values = {"pk": f"TIMER#{shard}", "latest": latest}
        try:
            yield from self._database.query("#pk = :pk AND #sk <= :latest", values, portion=_PORTION)
        except Retryable as error:  # the others are looked at; this one in a minute
            log_problem("timers.unread", shard=shard, code=error.code)
            count("WorkFailed")

    def _look_at(self, timer: Item) -> None:
        now = to_millis(self._clock.now())
        task = get_task(self._database, timer["task_id"])
        if task is None or (task.status.ended and task.lease_expires == 0):
            self._forget(timer)
            return
        if timer.get("generation", 0) != task.timer_generation:
            self._forget(timer)
            return
        if task.status is TaskStatus.WAITING and now < task.wait_until:
            self._rearm(timer, task.wait_until)
            return
        if task.leased(now):
            self._rearm(timer, now + _REARM_MILLIS)
            return
        if task.status.ended:
            self._rearm(timer, now + _REARM_MILLIS)
            self._queue.send(task.id, task.user_id, kind=task.kind)
            return
        if task.awaits_slot:
            self._rearm(timer, now + _REARM_MILLIS)
            self._slots.admit(task)
            return
        if task.takeovers >= MAX_TAKEOVERS:
            log_problem("task.worker_lost", **task.ids, takeovers=task.takeovers)
            self._end_lost(task.id)
            return
        self._resend(timer, task, now)

    def _resend(self, timer: Item, task: Task, now: int) -> None:
        # A turn that no worker has had yet waits in a backlog, and one that waits was let go: none was lost.
        lost = 1 if task.epoch > 0 and task.status is TaskStatus.RUNNING else 0
        counted = Update(
            task_key(task.id),
            "SET #takeovers = #takeovers + :n",
            condition=f"{LIVE} AND #epoch = :seen AND #lease_expires = :lease",
            values={**LIVE_VALUES, "n": lost, "seen": task.epoch, "lease": task.lease_expires},
        )
        try:
            self._database.write(counted)
        except ConditionFailed:  # somebody has just taken it
            self._rearm(timer, now + _REARM_MILLIS)
            return
        self._rearm(timer, _again_at(task, now))
        log_event("task.resent", **task.ids, takeovers=task.takeovers + lost)
        count("TaskResent")
        self._queue.send(task.id, task.user_id, kind=task.kind)

    def _forget(self, timer: Item) -> None:
        self._database.write(Delete({"pk": timer["pk"], "sk": timer["sk"]}))

    def _rearm(self, timer: Item, due: int) -> None:
        moved = Delete({"pk": timer["pk"], "sk": timer["sk"]}, condition="attribute_exists(#pk)")
        try:
            self._database.transact([moved, Put(timer_item(timer["task_id"], due, timer.get("generation", 0)))])
        except TransactionFailed:  # another sweep was quicker
            return


def _again_at(task: Task, now: int) -> int:
    """When to look again at a task whose message was sent: half as long as it has waited, if no worker has had it."""
    waited = now - task.ready_at if task.status is TaskStatus.QUEUED and task.epoch == 0 else 0
    return now + min(max(_REARM_MILLIS, waited // 2), _MOST_REARM_MILLIS)
