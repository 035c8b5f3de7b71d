"""The session record, and the list that a user sees.

| record  | pk             | sk                | notes                                               |
|---------|----------------|-------------------|-----------------------------------------------------|
| session | `SESSION#{id}` | `META`            | on GSI1 under `USER#{owner}`, newest accept first   |
| claim   | `SESSION#{id}` | `CLAIM#{message}` | a client message id, taken once                     |
| pending | `SESSION#{id}` | `PENDING#{ulid}`  | sent while a turn ran                               |
| message | `SESSION#{id}` | `MSG#{seq}`       | see `transcript`                                    |

`next_seq` and `active_task` change together, at accept and at a turn's end: while a turn is active
only its owner appends messages.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from shared.aws.database import Database
from shared.aws.writes import Item, Key, Put
from shared.kernel.clock import Clock, iso, to_millis
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.ids import Ids
from shared.kernel.telemetry import log_event
from shared.tasks.records import Spend

RECORD_VERSION = 1
MAX_TITLE_CHARACTERS = 200


@dataclass(frozen=True)
class Session:
    """One conversation of one user."""

    id: str
    owner: str
    title: str | None
    created_at: int
    updated_at: int
    next_seq: int = 0
    context_from: int = 0
    active_task: str | None = None
    last_task: str | None = None
    pending_count: int = 0
    notices: int = 0
    """Pending items of the system's own: they don't count among the user's, and no stop discards them."""
    operations: frozenset[str] = frozenset()
    """The tasks of operations that have not ended."""
    claimed_from: str | None = None
    """The guest whose session it was."""
    totals: Spend = field(default_factory=Spend)

    def to_item(self) -> Item:
        """The stored form of a new session."""
        item: Item = {
            **session_key(self.id),
            "v": RECORD_VERSION,
            "owner": self.owner,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "next_seq": self.next_seq,
            "context_from": self.context_from,
            "pending_count": self.pending_count,
            "gsi1pk": f"USER#{self.owner}",
            "gsi1sk": gsi_sort_key(self.updated_at, self.id),
        }
        if self.title:
            item["title"] = self.title
        return item

    @classmethod
    def from_item(cls, item: Item) -> "Session":
        """The record from its stored form."""
        return cls(
            id=str(item["pk"]).removeprefix("SESSION#"),
            owner=item["owner"],
            title=item.get("title"),
            created_at=item["created_at"],
            updated_at=item["updated_at"],
            next_seq=item["next_seq"],
            context_from=item["context_from"],
            active_task=item.get("active_task"),
            last_task=item.get("last_task"),
            pending_count=item["pending_count"],
            notices=item.get("notices", 0),
            operations=frozenset(item.get("operations", ())),
            claimed_from=item.get("claimed_from"),
            totals=Spend(**{name: item.get(f"total_{name}", 0) for name in vars(Spend())}),
        )

    def head(self) -> dict[str, Any]:
        """What a list shows of it."""
        return {
            "id": self.id,
            "title": self.title,
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
            "is_processing": self.active_task is not None,
        }


def session_key(session_id: str) -> Key:
    """Where a session's record is."""
    return {"pk": f"SESSION#{session_id}", "sk": "META"}


def gsi_sort_key(millis: int, session_id: str) -> str:
    """Sorts a user's sessions by their last accepted message."""
    return f"{millis:013d}#{session_id}"


def create_session(database: Database, clock: Clock, ids: Ids, user_id: str, title: str | None = None) -> Session:
    """A new, empty session of the user."""
    now = to_millis(clock.now())
    session = Session(ids.new(), user_id, title, created_at=now, updated_at=now)
    database.write(Put(session.to_item(), condition="attribute_not_exists(#pk)"))
    log_event("session.created", session_id=session.id, user_id=user_id)
    return session


def owned_session(database: Database, session_id: str, user_id: str) -> Session:
    """The user's session.

    Raises:
        NotFound: it does not exist, or belongs to somebody else: the answer is the same.
    """
    item = database.get(session_key(session_id)) if session_id else None
    if item is None or item["owner"] != user_id:
        raise NotFound("There is no such session.", code="SESSION_NOT_FOUND")
    return Session.from_item(item)


def list_sessions(
    database: Database, user_id: str, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the user's sessions, newest first, and the cursor of the next page.

    The index is eventually consistent: a session made an instant ago may still be missing.
    """
    start = _start_key(user_id, cursor) if cursor else None
    condition, values = "#gsi1pk = :user", {"user": f"USER#{user_id}"}
    items = list(database.query(condition, values, index="GSI1", forward=False, limit=limit + 1, start=start))
    page = items[:limit]
    rows = [
        {
            "id": item["pk"].removeprefix("SESSION#"),
            "title": item.get("title"),
            "created_at": iso(item["created_at"]),
            "updated_at": iso(item["updated_at"]),
            "is_processing": bool(item.get("active_task")),
        }
        for item in page
    ]
    more = len(items) > limit
    return rows, _cursor(page[-1]["gsi1sk"]) if more else None


def _cursor(sort_key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort_key]).encode()).decode()


def _start_key(user_id: str, cursor: str) -> Item:
    try:
        (sort_key,) = json.loads(base64.urlsafe_b64decode(cursor))
        session_id = sort_key.encode().decode("ascii").split("#", 1)[1]
    except (binascii.Error, ValueError, TypeError, IndexError, AttributeError) as error:
        raise Invalid("The cursor is not one that this list has given.", code="invalid_cursor") from error
    return {**session_key(session_id), "gsi1pk": f"USER#{user_id}", "gsi1sk": sort_key}
