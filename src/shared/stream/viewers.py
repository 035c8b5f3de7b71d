"""Who watches a task over a socket, and from which part on.

A viewer is stored twice: under the task, for the worker that delivers, and under the connection, so
that `abort` and `$disconnect` find it. After its registration part `p` of the task is always frame
`offset + (p - from)` of its request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.aws.database import Database, TransactionFailed
from shared.aws.writes import Delete, Item, Put, Write
from shared.kernel.clock import Clock
from shared.tasks.store import raise_inbox

RECORD_VERSION = 1
_TTL_SECONDS = 2 * 3600 + 900
"""A connection lives 2 h at most."""


@dataclass(frozen=True)
class Viewer:
    """One request of one connection that wants a task's parts."""

    task_id: str
    connection_id: str
    request_id: str
    from_seq: int
    offset: int

    @property
    def id(self) -> str:
        """Unique within the task."""
        return f"{self.connection_id}#{self.request_id}"

    def sequence(self, seq: int) -> int:
        """The frame number of part `seq`."""
        return self.offset + seq - self.from_seq

    def puts(self, clock: Clock) -> list[Put]:
        """The writes that store it."""
        shared: Item = {
            "v": RECORD_VERSION,
            "task_id": self.task_id,
            "connection_id": self.connection_id,
            "request_id": self.request_id,
            "from_seq": self.from_seq,
            "offset": self.offset,
            "expires_at": int(clock.now()) + _TTL_SECONDS,
        }
        return [Put({**shared, **_viewer_key(self)}), Put({**shared, **_view_key(self.connection_id, self.request_id)})]

    def deletes(self) -> list[Delete]:
        """The writes that forget it."""
        return [Delete(_viewer_key(self)), Delete(_view_key(self.connection_id, self.request_id))]

    @classmethod
    def from_item(cls, item: Item) -> "Viewer":
        """The record from either of its stored forms."""
        return cls(item["task_id"], item["connection_id"], item["request_id"], item["from_seq"], item["offset"])


def _viewer_key(viewer: Viewer) -> dict[str, str]:
    return {"pk": f"TASK#{viewer.task_id}", "sk": f"VIEWER#{viewer.id}"}


def _view_key(connection_id: str, request_id: str) -> dict[str, str]:
    return {"pk": f"CONN#{connection_id}", "sk": f"VIEW#{request_id}"}


def viewers_among(items: Iterable[Item]) -> list[Viewer]:
    """The viewers among the records stored under a task."""
    return [Viewer.from_item(item) for item in items if item["sk"].startswith("VIEWER#")]


def viewers_of(database: Database, task_id: str) -> list[Viewer]:
    """The task's viewers."""
    condition = "#pk = :pk AND begins_with(#sk, :prefix)"
    return viewers_among(database.query(condition, {"pk": f"TASK#{task_id}", "prefix": "VIEWER#"}))


def find_view(database: Database, connection_id: str, request_id: str) -> Viewer | None:
    """The viewer that a connection's request has registered, or None."""
    item = database.get(_view_key(connection_id, request_id))
    return Viewer.from_item(item) if item else None


def views_of(database: Database, connection_id: str) -> list[Viewer]:
    """All viewers of a connection."""
    condition = "#pk = :pk AND begins_with(#sk, :prefix)"
    found = database.query(condition, {"pk": f"CONN#{connection_id}", "prefix": "VIEW#"})
    return [Viewer.from_item(item) for item in found]


def register(database: Database, clock: Clock, viewer: Viewer) -> bool:
    """Let the task's owner deliver to the viewer from now on; False if the task has ended."""
    try:
        database.transact([raise_inbox(viewer.task_id), *viewer.puts(clock)])
    except TransactionFailed:
        return False
    return True


def detach(database: Database, viewer: Viewer) -> None:
    """Stop delivering to the viewer; the task goes on."""
    writes: Sequence[Write] = viewer.deletes()
    try:
        database.transact([raise_inbox(viewer.task_id), *writes])
    except TransactionFailed:  # the task has ended: nobody needs to know
        database.transact(writes)
