"""Taking slots, giving them back, and handing them to the oldest task that waits.

A slot is taken in the transaction that accepts a task and given back in the one that ends or suspends it.
Who waits has a timer like every live task, so the sweep promotes what a crash in between has missed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.aws.database import Database, TransactionFailed
from shared.aws.queue import TurnQueue
from shared.aws.writes import Item, Write
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import LimitReached, Retryable
from shared.kernel.telemetry import count, log_event, log_problem
from shared.tasks.pools import (
    Pool,
    SlotLimits,
    Suspension,
    forget_queued,
    is_of_runs,
    leave_pool,
    pool_key,
    pool_of,
    promote_queued,
    queue_again,
    take_slot,
    wait_for_slot,
)
from shared.tasks.records import Task
from shared.tasks.store import get_task
from shared.tasks.waits import send_on

TOO_MANY_RUNS = "too_many_runs"
_MOST_AT_ONCE = 50
"""Promotions in one go; what is left is the sweep's."""


class Slots:
    """The slots of all pools."""

    def __init__(self, database: Database, queue: TurnQueue, clock: Clock, limits: SlotLimits) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self._limits = limits

    # -- coming in -----------------------------------------------------------------------------

    def open(self, task: Task, writes: Callable[[Task], Sequence[Write]]) -> Task | None:
        """Store a new task by `writes` in one transaction that counts it; None if one of those was refused.

        Answers with the task as it is stored: with a slot, or waiting for one (`awaits_slot`).

        Raises:
            LimitReached: too many are in flight.
            Retryable: nothing was decided.
        """
        found: Item | None = None
        for candidate in self.ways_in(task):
            task = candidate
            try:
                self._database.transact([*self.enter(task), *writes(task)])
            except TransactionFailed as failure:
                if not task.pool or set(failure.failed) != {0}:
                    return None
                found = failure.failed[0]
                continue
            return task
        self.turned_away(task, found)
        return None

    def ways_in(self, task: Task) -> list[Task]:
        """How the task may be accepted: with a slot or, if all are taken, waiting for one. Without a limit: as it is.

        Raises:
            LimitReached: the limit is 0.
        """
        pool = pool_of(task)
        limit = self._limits.of(pool)
        if not limit.counts:
            return [task]
        if limit.most_running == 0:
            raise self._too_many(pool)
        counted = replace(task, pool=pool)
        return [counted] if limit.most_queued == 0 else [counted, replace(counted, awaits_slot=True)]

    def queued(self, task: Task) -> Task:
        """A task that has been accepted already, as it is to be stored: it waits for a slot however many do.

        Whoever stores it calls `admit`. Without a limit it stays as it is.
        """
        pool = pool_of(task)
        return replace(task, pool=pool, awaits_slot=True) if self._limits.of(pool).counts else task

    def following(self, ended: Task, task: Task) -> Task:
        """The task that goes on in the session of one that ends, as it is to be stored: with its slot.

        What another task has sent counts in that one's tree, so it waits for a slot there: see `queued`.
        """
        if pool_of(task) != pool_of(ended):
            return self.queued(task)
        return replace(task, pool=ended.pool, slot=(ended.slot or ended.id) if ended.pool else "")

    def enter(self, task: Task) -> list[Write]:
        """Count it, as its `awaits_slot` says: running, or queued. Fails if that is not how things are."""
        if not task.pool:
            return []
        limit, now = self._limits.of(task.pool), to_millis(self._clock.now())
        return [wait_for_slot(task, limit, now) if task.awaits_slot else take_slot(task, limit, now)]

    def turned_away(self, task: Task, found: Item | None) -> None:
        """Every way in was closed; `found` is the pool that the last try has met.

        Returns if it is worth another try.

        Raises:
            LimitReached: too many are in flight.
            Retryable: that can't be told now.
        """
        pool, limit = Pool.from_item(found), self._limits.of(task.pool)
        if limit.most_running is None or len(pool.running) < limit.most_running:
            self.promote(task.pool)  # who waits comes before the newcomer
        elif limit.most_queued is not None and len(pool.queued) >= limit.most_queued:
            raise self._too_many(task.pool)

    def _too_many(self, pool: str) -> LimitReached:
        count("RateLimited")
        limit = self._limits.of(pool)
        most = limit.in_flight if limit.in_flight is not None else limit.running
        details = {"limit": most}
        what = "runs" if is_of_runs(pool) else "turns"
        code = TOO_MANY_RUNS if is_of_runs(pool) else "too_many_turns"
        message = f"No more than {most} {what} may be running or queued at once. Wait for one to end, or stop one."
        return LimitReached(message, code=code, details=details)

    # -- going out -----------------------------------------------------------------------------

    def leave(self, task: Task) -> list[Write]:
        """The write that frees its slot, or its place in the queue, in the transaction that ends the task."""
        return [leave_pool(task)] if task.pool else []

    def suspend(self, task: Task) -> Suspension:
        """The same for a task that waits for something: from then on no worker can take it without `admit`."""
        return Suspension(self.leave(task), ", #awaits_slot = :awaits", {"awaits": True}) if task.pool else Suspension()

    # -- handing out ---------------------------------------------------------------------------

    def admit(self, task: Task) -> None:
        """A task that awaits a slot may go on: have it queue for one, and hand out what is free.

        Its message is sent when it gets one. May be called again at any time.
        """
        pool = Pool.from_item(self._database.get(pool_key(task.pool)))
        if task.id not in pool.queued:
            try:
                self._database.transact(queue_again(task, to_millis(self._clock.now())))
            except TransactionFailed:  # it has ended, or has got its slot
                return
        self.promote(task.pool)

    def begin(self, task: Task) -> None:
        """Have a task worked on that was stored just now: its message is sent, or it may wait for a slot."""
        if not task.awaits_slot:
            send_on(self._queue, task)
            return
        try:
            self.admit(task)
        except Retryable as error:  # it is stored: its timer has it admitted
            log_problem("slots.promotion_failed", **task.ids, code=error.code)

    def promote(self, pool: str) -> None:
        """Give free slots to the oldest tasks that wait, and send their messages.

        Raises:
            Retryable: it is not known who waits; the sweep will look again.
        """
        most = self._limits.of(pool).most_running
        for _ in range(_MOST_AT_ONCE):
            found = Pool.from_item(self._database.get(pool_key(pool)))
            if not found.queued or (most is not None and len(found.running) >= most):
                return
            self._promote(pool, min(found.queued))

    def promote_after(self, ended: Task) -> None:
        """The same behind a task that has given its slot back; that it has ended does not depend on it."""
        if not ended.pool:
            return
        try:
            self.promote(ended.pool)
        except Retryable as error:
            log_problem("slots.promotion_failed", **ended.ids, code=error.code)

    def _promote(self, pool: str, task_id: str) -> None:
        writes = promote_queued(pool, task_id, self._limits.of(pool), to_millis(self._clock.now()))
        try:
            self._database.transact(writes)
        except TransactionFailed as failure:
            if set(failure.failed) == {1}:  # still in the queue, and yet no task that waits
                self._database.write(forget_queued(pool, task_id))
            return
        task = get_task(self._database, task_id)
        if task is None:
            return
        log_event("turn.promoted", **task.ids)
        try:
            self._queue.send(task.id, task.user_id, kind=task.kind)
        except Retryable as error:  # it has its slot: its timer sends the message
            log_problem("turn.send_failed", **task.ids, code=error.code)
