"""Who may write: a lease with a fencing number.

Each taking raises `epoch`. Every State write of an owner requires its epoch, so an owner that was
replaced (a zombie) can't change anything, however late it wakes. Chunk rows are fenced by their
position instead (see `stream.chunk_log`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.aws.database import ConditionFailed, Database, TransactionFailed
from shared.aws.writes import Update, Write
from shared.kernel.clock import Clock, to_millis
from shared.tasks.pools import Suspension
from shared.tasks.records import LIVE, LIVE_VALUES, Task, TaskStatus, task_key

LEASE_SECONDS = 15
RENEW_WATCHED_SECONDS = 1.0
RENEW_UNWATCHED_SECONDS = 2.0


class LeaseLost(Exception):
    """Somebody with a higher epoch has taken over; stop at once and write nothing more."""


@dataclass(frozen=True)
class Lease:
    """The right to write about `task_id` under `epoch`."""

    task_id: str
    owner: str
    epoch: int

    @property
    def condition(self) -> str:
        """What every write about the task requires."""
        return "#epoch = :epoch"

    @property
    def values(self) -> dict[str, int]:
        """The values of `condition`."""
        return {"epoch": self.epoch}


class Leases:
    """Taking, renewing and giving back."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def _expiry(self) -> int:
        return to_millis(self._clock.now() + LEASE_SECONDS)

    def take(self, task_id: str, owner: str) -> tuple[Lease, Task] | None:
        """Become the owner, if nobody is and something is left to do or to deliver.

        None: the task does not exist, is held and fresh, awaits a slot, or has ended and was delivered.
        In each case the message that asked for it may be dropped.
        """
        now = to_millis(self._clock.now())
        free = f"{LIVE} AND #lease_expires < :now AND attribute_not_exists(#awaits_slot)"
        try:
            return self._raise_epoch(task_id, owner, free, {**LIVE_VALUES, "now": now}, ", #status = :running")
        except ConditionFailed as failure:
            found = Task.from_item(failure.item) if failure.item else None
        if found is None or not found.status.ended or not 0 < found.lease_expires < now:
            return None
        try:
            return self._raise_epoch(task_id, owner, "#epoch = :seen", {"seen": found.epoch})
        except ConditionFailed:
            return None

    def seize(self, task_id: str, owner: str) -> tuple[Lease, Task] | None:
        """Take the lease from whoever has it, to end the task from outside; None if it has ended."""
        try:
            return self._raise_epoch(task_id, owner, LIVE, LIVE_VALUES)
        except ConditionFailed:
            return None

    def _raise_epoch(
        self, task_id: str, owner: str, condition: str, values: Mapping[str, str | int], also: str = ""
    ) -> tuple[Lease, Task]:
        write = Update(
            task_key(task_id),
            f"SET #epoch = #epoch + :one, #lease_owner = :owner, #lease_expires = :expiry{also}",
            condition=condition,
            values={**values, "one": 1, "owner": owner, "expiry": self._expiry()},
        )
        task = Task.from_item(self._database.write(write))
        return Lease(task_id, owner, task.epoch), task

    def renew(self, lease: Lease) -> Task:
        """Keep it for another `LEASE_SECONDS`, and hear the news: the record, with its inbox.

        Raises:
            LeaseLost: somebody else has it.
        """
        write = Update(
            task_key(lease.task_id),
            "SET #lease_expires = :expiry",
            condition=lease.condition,
            values={**lease.values, "expiry": self._expiry()},
        )
        return Task.from_item(self._owned(write))

    def release_delivered(self, lease: Lease) -> None:
        """The task has ended and every viewer knows: nothing is left to do."""
        write = Update(
            task_key(lease.task_id),
            "SET #lease_expires = :zero",
            condition=lease.condition,
            values={**lease.values, "zero": 0},
        )
        self._owned(write)

    def release_for_continuation(self, lease: Lease, handled_inbox: int) -> bool:
        """Let another invocation go on; False if there is news that the owner must look at first."""
        write = Update(
            task_key(lease.task_id),
            "SET #lease_expires = :zero",
            condition=f"{lease.condition} AND #inbox = :inbox",
            values={**lease.values, "zero": 0, "inbox": handled_inbox},
        )
        return self._left(lease, write)

    def release_to_wait(
        self, lease: Lease, handled_inbox: int, until: int, suspension: Suspension, *, asks: bool = False
    ) -> bool:
        """Let nobody work on it before it is woken, or `until` (ms); False if there is news to look at first.

        `suspension` gives its slot back in the same transaction. `asks`: what it waits for is up to its user.
        """
        write = Update(
            task_key(lease.task_id),
            f"SET #lease_expires = :zero, #status = :waiting, #wait_until = :until, #asks = :asks{suspension.also_set}",
            condition=f"{lease.condition} AND #inbox = :inbox",
            values={
                **lease.values,
                "zero": 0,
                "waiting": TaskStatus.WAITING.value,
                "until": until,
                "asks": asks,
                "inbox": handled_inbox,
                **suspension.values,
            },
        )
        return self._left(lease, write, suspension.writes)

    def _left(self, lease: Lease, write: Update, others: Sequence[Write] = ()) -> bool:
        """Whether a write took effect that needs the inbox to be as its owner has seen it; the others never fail."""
        try:
            if others:
                self._database.transact([write, *others])
            else:
                self._database.write(write)
            return True
        except ConditionFailed as failure:
            found = failure.item
        except TransactionFailed as failure:
            found = failure.failed[0]
        if found is None or found["epoch"] != lease.epoch:
            raise LeaseLost(lease.task_id)
        return False

    def _owned(self, write: Update) -> dict[str, object]:
        try:
            return self._database.write(write)
        except ConditionFailed as failure:
            raise LeaseLost(str(write.key["pk"])) from failure
