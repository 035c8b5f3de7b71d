"""The stored parts of a task: rows of consecutive parts, numbered without gaps, fenced by position.

A row is put only if its first seq is free. Whoever finds a row there learns who wrote it:

| the row's epoch  | means                                | then                     |
|------------------|--------------------------------------|--------------------------|
| our own          | our write of before did take effect  | go on                    |
| higher           | we were replaced                     | stop, write nothing more |
| lower            | the one before us was not quite dead | continue behind its row  |

Rows of State can't do this: a zombie's chunk put names no epoch that the table could compare, but it
can only aim at the position where its own knowledge ends, and its successor has written there.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Item, Put
from shared.kernel.clock import Clock
from shared.stream.parts import Part, encode
from shared.tasks.lease import Lease, LeaseLost

ROW_VERSION = 1
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class ChunkRow:
    """Consecutive parts `[seq, seq + len(parts))`; `settled` if a State transaction stored it."""

    seq: int
    parts: tuple[Part, ...]
    epoch: int
    settled: bool

    @property
    def end(self) -> int:
        """The seq after the last part."""
        return self.seq + len(self.parts)


class ChunkLog:
    """Reads and describes writes of one deployment's chunk rows."""

    def __init__(self, database: Database, clock: Clock, retention_days: int) -> None:
        self._database = database
        self._clock = clock
        self._retention_seconds = retention_days * _DAY_SECONDS

    def rows(self, task_id: str, start: int = 0, *, consistent: bool = True) -> Iterator[ChunkRow]:
        """The rows that hold parts from seq `start` on, in order."""
        first = start
        if start > 0:
            # The row that holds `start` may begin before it.
            before = self._database.query(
                "#pk = :pk AND #seq <= :seq",
                {"pk": task_id, "seq": start},
                table="chunks",
                forward=False,
                limit=1,
                consistent=consistent,
            )
            first = next((item["seq"] for item in before), start)
        now = self._clock.now()
        for item in self._database.query(
            "#pk = :pk AND #seq >= :seq", {"pk": task_id, "seq": first}, table="chunks", consistent=consistent
        ):
            row = _from_item(item)
            if row.end > start and item["expires_at"] > now:
                yield row

    def parts(self, task_id: str, start: int = 0, *, consistent: bool = True) -> list[Part]:
        """The parts `[start, head)`."""
        found: list[Part] = []
        for row in self.rows(task_id, start, consistent=consistent):
            found.extend(row.parts[max(0, start - row.seq) :])
        return found

    def head(self, task_id: str) -> int:
        """How many parts are stored and not expired."""
        last = next(
            iter(self._database.query("#pk = :pk", {"pk": task_id}, table="chunks", forward=False, limit=1)), None
        )
        return _from_item(last).end if last and last["expires_at"] > self._clock.now() else 0

    def put(self, lease: Lease, seq: int, parts: Sequence[Part], *, settled: bool, needed_until: float = 0.0) -> Put:
        """The write that stores `parts` at `seq` if nothing is there, or what nobody can read any more.

        They are kept for the retention from now, or from `needed_until`, if that is later: the rows of a task must not
        expire one by one while it goes on, because they are numbered from its first.
        """
        now = int(self._clock.now())
        item = {
            "pk": lease.task_id,
            "seq": seq,
            "v": ROW_VERSION,
            "epoch": lease.epoch,
            "settled": settled,
            "n": len(parts),
            "parts": encode(list(parts)),
            "expires_at": max(now, int(needed_until)) + self._retention_seconds,
        }
        free = "attribute_not_exists(#pk) OR #expires_at <= :now"
        return Put(item, condition=free, values={"now": now}, table="chunks")

    def append(self, lease: Lease, head: int, parts: Sequence[Part], *, needed_until: float = 0.0) -> int | None:
        """Store `parts` at `head`; None, or the seq behind the row that a predecessor has put there. See `put`.

        Raises:
            LeaseLost: a row of a higher epoch is there.
        """
        try:
            self._database.write(self.put(lease, head, parts, settled=False, needed_until=needed_until))
        except ConditionFailed as failure:
            return resolve_collision(lease, failure.item, parts)
        return None


def resolve_collision(lease: Lease, found: Item | None, parts: Sequence[Part]) -> int | None:
    """What a row in our place means: None if it is our own write, else the seq to go on from.

    Raises:
        LeaseLost: we were replaced.
    """
    if found is None or found["epoch"] > lease.epoch:
        raise LeaseLost(lease.task_id)
    row = _from_item(found)
    if row.epoch == lease.epoch:
        if list(row.parts) != list(parts):
            raise LeaseLost(lease.task_id)
        return None
    return row.end


def _from_item(item: Item) -> ChunkRow:
    return ChunkRow(item["seq"], tuple(json.loads(item["parts"])), item["epoch"], item["settled"])
