"""The session record, and the list that a user sees.

| record  | pk             | sk                | notes                                               |
|---------|----------------|-------------------|-----------------------------------------------------|
| session | `SESSION#{id}` | `META`            | on GSI1 under `USER#{owner}`, newest accept first;  |
|         |                |                   | a sub-session under `SUBSESSIONS#{parent session}`  |
| claim   | `SESSION#{id}` | `CLAIM#{message}` | a client message id, taken once                     |
| pending | `SESSION#{id}` | `PENDING#{ulid}`  | sent while a turn ran                               |
| message | `SESSION#{id}` | `MSG#{seq}`       | see `transcript`                                    |
| guide   | `SESSION#{id}` | `GUIDE`           | see `turn.guide`                                    |

A deleted session keeps its record until `purge` has removed the rest: it belongs to nobody, is in no list, and
whoever requires its owner fails.

`next_seq` and `active_task` change together, at accept and at a turn's end: while a turn is active
only its owner appends messages.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn
from unicodedata import normalize

from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Item, Key, Put, Update
from shared.kernel.clock import Clock, iso, to_millis
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.ids import Ids
from shared.kernel.telemetry import log_event
from shared.tasks.records import Spend, Task

RECORD_VERSION = 1
MAX_TITLE_CHARACTERS = 200
MOST_SCANNED = 500
"""How many of a user's sessions one request looks at when it searches."""
NOBODY = ""
"""The owner of a deleted session; no token has such a subject."""

TitleBy = Literal["user", "model"]


@dataclass(frozen=True)
class Awaiting:
    """A turn has paused, and the user is asked."""

    task: str
    seq: int
    """The assistant row whose calls wait."""
    left: int
    """How many requests are not answered yet."""


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
    title_by: TitleBy | None = None
    """Who has chosen the title; None: it is how the first message begins."""
    dry_run: bool = False
    """Whether nothing may take effect or be charged; never changes."""
    is_foreign: bool = False
    """Whether an agent of another user's making has begun it: its turns ask before they use an account."""
    permissions: Mapping[str, Any] = field(default_factory=dict)
    """What its turns may use, as `accounts.permissions` stores it."""
    awaiting: "Awaiting | None" = None
    parent_session: str | None = None
    """The session in which it was started; the user's own list leaves it out."""

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
            "gsi1pk": _list_key(self.owner, self.parent_session),
            "gsi1sk": gsi_sort_key(self.updated_at, self.id),
        }
        if self.parent_session:
            item["parent_session"] = self.parent_session
        if self.title:
            item["title"] = self.title
        if self.title_by:
            item["title_by"] = self.title_by
        if self.dry_run:
            item["dry_run"] = True
        if self.is_foreign:
            item["is_foreign"] = True
        if self.permissions:
            item["permissions"] = dict(self.permissions)
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
            title_by=item.get("title_by"),
            dry_run=item.get("dry_run", False),
            is_foreign=item.get("is_foreign", False),
            permissions=item.get("permissions", {}),
            awaiting=Awaiting(**item["awaiting"]) if item.get("awaiting") else None,
            parent_session=item.get("parent_session"),
        )

    def head(self) -> dict[str, Any]:
        """What a list shows of it."""
        return {
            "id": self.id,
            "title": self.title,
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
            "is_processing": self.active_task is not None,
            "parent_session": self.parent_session,
        }


def session_key(session_id: str) -> Key:
    """Where a session's record is."""
    return {"pk": f"SESSION#{session_id}", "sk": "META"}


def _list_key(owner: str, parent_session: str | None) -> str:
    """The list that a session is in."""
    return f"SUBSESSIONS#{parent_session}" if parent_session else f"USER#{owner}"


def gsi_sort_key(millis: int, session_id: str) -> str:
    """Sorts a user's sessions by their last accepted message."""
    return f"{millis:013d}#{session_id}"


def create_session(
    database: Database,
    clock: Clock,
    ids: Ids,
    user_id: str,
    title: str | None = None,
    *,
    permissions: Mapping[str, Any] | None = None,
    dry_run: bool = False,
) -> Session:
    """A new, empty session of the user."""
    now = to_millis(clock.now())
    session = Session(
        ids.new(),
        user_id,
        title,
        created_at=now,
        updated_at=now,
        title_by="user" if title else None,
        dry_run=dry_run,
        permissions=permissions or {},
    )
    database.write(Put(session.to_item(), condition="attribute_not_exists(#pk)"))
    log_event("session.created", session_id=session.id, user_id=user_id)
    return session


def create_sub_session(database: Database, clock: Clock, parent: Task, session_id: str) -> Session:
    """The sub-session `session_id` of a turn, for the same user: a new one, or the one that is there already.

    It may do what the turn may, and no more.
    """
    now = to_millis(clock.now())
    session = Session(
        session_id,
        parent.user_id,
        None,
        created_at=now,
        updated_at=now,
        parent_session=parent.session_id,
        dry_run=parent.dry_run,
        is_foreign=parent.is_foreign,
        permissions=parent.permissions,
    )
    try:
        database.write(Put(session.to_item(), condition="attribute_not_exists(#pk)"))
    except ConditionFailed:
        return owned_session(database, session_id, parent.user_id)
    log_event("session.created", session_id=session.id, user_id=session.owner)
    return session


def create_home_session(database: Database, clock: Clock, user_id: str, session_id: str, agent_id: str) -> None:
    """The session of an agent of the user, where its runs keep their files; no list shows it. It may be there."""
    now = to_millis(clock.now())
    session = Session(session_id, user_id, None, created_at=now, updated_at=now, parent_session=f"agent-{agent_id}")
    with suppress(ConditionFailed):
        database.write(Put(session.to_item(), condition="attribute_not_exists(#pk)"))


def create_session_once(
    database: Database, clock: Clock, session_id: str, user_id: str, title: str, permissions: Mapping[str, Any]
) -> None:
    """A session of the user under an id of the caller's choice; it may be there already."""
    now = to_millis(clock.now())
    session = Session(
        session_id, user_id, title, created_at=now, updated_at=now, title_by="user", permissions=permissions
    )
    try:
        database.write(Put(session.to_item(), condition="attribute_not_exists(#pk)"))
    except ConditionFailed:
        return
    log_event("session.created", session_id=session_id, user_id=user_id)


def owned_session(database: Database, session_id: str, user_id: str) -> Session:
    """The user's session.

    Raises:
        NotFound: it does not exist, or belongs to somebody else: the answer is the same.
    """
    item = database.get(session_key(session_id)) if session_id else None
    if item is None or item["owner"] != user_id or "deleted_at" in item:
        _not_found()
    return Session.from_item(item)


def rename_session(database: Database, session_id: str, user_id: str, title: str) -> Session:
    """Give the session a title that nothing but the user changes; its place in the list stays.

    Raises:
        NotFound: it does not exist, or belongs to somebody else.
    """
    renamed = Update(
        session_key(session_id),
        "SET #title = :title, #title_by = :user",
        condition="#owner = :owner",
        values={"title": title, "user": "user", "owner": user_id},
    )
    try:
        item = database.write(renamed)
    except ConditionFailed:
        _not_found()
    log_event("session.renamed", session_id=session_id, user_id=user_id)
    return Session.from_item(item)


def list_sessions(
    database: Database,
    user_id: str,
    limit: int,
    cursor: str | None,
    search: str = "",
    parent_session: str | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the user's sessions, newest first, and the cursor of the next page.

    Sub-sessions are not among them; those of `parent_session`, which must be the user's, are a list of their own.
    With `search`, those whose title contains it, in whatever case. A page looks at `MOST_SCANNED` sessions at
    most, so it may hold fewer than `limit`, or none, and still have a next one.

    The index is eventually consistent: a session made an instant ago may still be missing.
    """
    most = MOST_SCANNED if search else limit
    listed = _list_key(user_id, parent_session)
    start = _start_key(listed, cursor) if cursor else None
    condition, values = "#gsi1pk = :listed", {"listed": listed}
    items = list(database.query(condition, values, index="GSI1", forward=False, limit=most + 1, start=start))
    page, seen = _matching(items[:most], limit, _plain(search))
    rows = [
        {
            "id": item["pk"].removeprefix("SESSION#"),
            "title": item.get("title"),
            "created_at": iso(item["created_at"]),
            "updated_at": iso(item["updated_at"]),
            "is_processing": bool(item.get("active_task")),
            "parent_session": parent_session,
        }
        for item in page
    ]
    return rows, _cursor(items[seen - 1]["gsi1sk"]) if seen < len(items) else None


def _matching(items: Sequence[Item], limit: int, wanted: str) -> tuple[list[Item], int]:
    """Up to `limit` items whose title contains `wanted`, and how many had to be looked at for them."""
    found: list[Item] = []
    for seen, item in enumerate(items, start=1):
        if wanted in _plain(item.get("title", "")):
            found.append(item)
        if len(found) == limit:
            return found, seen
    return found, len(items)


def _plain(text: str) -> str:
    """The text without what people don't see as a difference: its case, and how its accents are put together."""
    return normalize("NFC", normalize("NFC", text).casefold())


def _not_found() -> NoReturn:
    raise NotFound("There is no such session.", code="SESSION_NOT_FOUND")


def _cursor(sort_key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort_key]).encode()).decode()


def _start_key(listed: str, cursor: str) -> Item:
    try:
        (sort_key,) = json.loads(base64.urlsafe_b64decode(cursor))
        session_id = sort_key.encode().decode("ascii").split("#", 1)[1]
    except (binascii.Error, ValueError, TypeError, IndexError, AttributeError) as error:
        raise Invalid("The cursor is not one that this list has given.", code="invalid_cursor") from error
    return {**session_key(session_id), "gsi1pk": listed, "gsi1sk": sort_key}
