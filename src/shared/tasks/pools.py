"""Pools: how many tasks of one user, or of one tree, may be worked on at once, and who waits for a slot.

| record | pk            | sk     | notes                                                             |
|--------|---------------|--------|-------------------------------------------------------------------|
| pool   | `POOL#{name}` | `META` | `running`, `queued`: sets of task ids; absent when they are empty |

Ids sort by their time of birth, so the oldest in the queue is the smallest. Every write here is part of the
transaction that changes the task with it: a task is counted exactly as long as it holds a slot or waits for
one, and taking it out twice is the same as once.

A turn that follows another one in its session takes the slot over without a write: `Task.slot` is the name
under which the slot is held.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from shared.aws.writes import Item, Key, Update, Write
from shared.kernel.limits import LONGEST_TASK_SECONDS
from shared.tasks.records import LIVE, LIVE_VALUES, Task, TaskStatus, task_key

RECORD_VERSION = 1


@dataclass(frozen=True)
class PoolLimit:
    """How many tasks of a pool run, and how many are in flight with those that wait for a slot; None: no limit."""

    running: int | None = None
    in_flight: int | None = None

    @property
    def counts(self) -> bool:
        """Whether there is any limit at all."""
        return self.running is not None or self.in_flight is not None

    @property
    def most_running(self) -> int | None:
        """How many slots there are."""
        return min((bound for bound in (self.running, self.in_flight) if bound is not None), default=None)

    @property
    def most_queued(self) -> int | None:
        """How many may wait for a slot."""
        if self.in_flight is None or self.most_running is None:
            return None
        return self.in_flight - self.most_running


@dataclass(frozen=True)
class SlotLimits:
    """The limits of each kind of pool."""

    user: PoolLimit = field(default_factory=PoolLimit)
    """What a user has sent themselves: pool `user:{id}`."""
    tree: PoolLimit = field(default_factory=PoolLimit)
    """What the turns of one tree have started for themselves: pool `tree:{first task}`."""
    runs: PoolLimit = field(default_factory=PoolLimit)
    """Runs of a user's agents, whoever has started them: pool `runs:{id}`."""
    deliveries: PoolLimit = PoolLimit(running=2)
    """Attempts to tell a user's addresses of them: pool `deliveries:{id}`."""

    def of(self, pool: str) -> PoolLimit:
        """The limit of the pool."""
        if is_of_runs(pool):
            return self.runs
        if pool.startswith("deliveries:"):
            return self.deliveries
        return self.tree if pool.startswith("tree:") else self.user


@dataclass(frozen=True)
class Pool:
    """Who holds a slot, and who waits for one."""

    running: AbstractSet[str] = frozenset()
    queued: AbstractSet[str] = frozenset()

    @classmethod
    def from_item(cls, item: Item | None) -> "Pool":
        """The record from its stored form; nobody is in one that is not there."""
        found = item or {}
        return cls(frozenset(found.get("running", ())), frozenset(found.get("queued", ())))


@dataclass(frozen=True)
class Suspension:
    """What joins the write that makes a task wait: further writes, and what is set on the task itself."""

    writes: Sequence[Write] = ()
    also_set: str = ""
    """Appended to the SET clause of the task's update."""
    values: Mapping[str, object] = field(default_factory=dict)


def pool_of(task: Task) -> str:
    """Which pool a new task counts in: a turn that a task has started counts in its tree, not for the user."""
    if task.kind in {"run", "delivery"}:
        return f"{'runs' if task.kind == 'run' else 'deliveries'}:{task.user_id}"
    return f"tree:{task.tree}" if task.parent else f"user:{task.user_id}"


def is_of_runs(pool: str) -> bool:
    """Whether it limits runs, not turns."""
    return pool.startswith("runs:")


def pool_key(pool: str) -> Key:
    """Where a pool's record is."""
    return {"pk": f"POOL#{pool}", "sk": "META"}


def take_slot(task: Task, limit: PoolLimit, now: int) -> Update:
    """Count a new task as running, if a slot is free and nobody was there before it."""
    free, values = _has_room(limit)
    return _entering(task, "running", f"{free} AND attribute_not_exists(#queued)", values, now)


def wait_for_slot(task: Task, limit: PoolLimit, now: int) -> Update:
    """Count a new task as queued, if every slot is taken and the queue is not full."""
    condition, values = "size(#running) >= :most", {"most": limit.most_running}
    if limit.most_queued is not None:
        condition += " AND (attribute_not_exists(#queued) OR size(#queued) < :places)"
        values["places"] = limit.most_queued
    return _entering(task, "queued", f"attribute_exists(#running) AND {condition}", values, now)


def queue_again(task: Task, now: int) -> list[Update]:
    """Let a task that was suspended wait for a slot, however long the queue is: it has been accepted long ago."""
    return [
        _entering(task, "queued", None, {}, now),
        Update(
            task_key(task.id),
            "SET #status = :queued REMOVE #slot",
            condition=f"{LIVE} AND attribute_exists(#awaits_slot)",
            values=LIVE_VALUES,
        ),
    ]


def _entering(task: Task, where: str, condition: str | None, values: Mapping[str, object], now: int) -> Update:
    return Update(
        pool_key(task.pool),
        f"SET #v = :v, #expires_at = :expires ADD #{where} :task",
        condition=condition,
        values={**values, "v": RECORD_VERSION, "expires": now // 1000 + LONGEST_TASK_SECONDS, "task": {task.id}},
    )


def leave_pool(task: Task) -> Update:
    """Take the task out, whether it holds a slot or waits for one; it may be out already."""
    return Update(
        pool_key(task.pool),
        "SET #v = :v DELETE #running :names, #queued :names",
        values={"v": RECORD_VERSION, "names": {task.id, task.slot or task.id}},
    )


def forget_queued(pool: str, task_id: str) -> Update:
    """Take out of the queue what is no task that waits."""
    return Update(pool_key(pool), "SET #v = :v DELETE #queued :task", values={"v": RECORD_VERSION, "task": {task_id}})


def promote_queued(pool: str, task_id: str, limit: PoolLimit, now: int) -> list[Update]:
    """Give a free slot to a task that waits for one; the second write fails if it is no such task."""
    free, values = _has_room(limit)
    return [
        Update(
            pool_key(pool),
            "ADD #running :task DELETE #queued :task",
            condition=f"contains(#queued, :id) AND {free}",
            values={**values, "task": {task_id}, "id": task_id},
        ),
        Update(
            task_key(task_id),
            "SET #promoted_at = :now REMOVE #awaits_slot",
            condition="#status = :queued AND attribute_exists(#awaits_slot)",
            values={"queued": TaskStatus.QUEUED.value, "now": now},
        ),
    ]


def _has_room(limit: PoolLimit) -> tuple[str, dict[str, object]]:
    if limit.most_running is None:  # a limit that was taken back while tasks waited
        return "attribute_exists(#pk)", {}
    return "(attribute_not_exists(#running) OR size(#running) < :most)", {"most": limit.most_running}
