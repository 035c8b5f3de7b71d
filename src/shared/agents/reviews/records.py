"""Reviews: what a user is asked to approve, before a run or a chat goes on.

| record  | pk               | sk                     | notes                                                      |
|---------|------------------|------------------------|------------------------------------------------------------|
| review  | `REVIEW#{id}`    | `META`                 | what is asked, and what was said                           |
| listing | `REVIEWS#{user}` | `{13 digits, ms}.{id}` | the same without the data; changes with it                 |
| of chat | `SESSION#{id}`   | `REVIEW#{id}`          | leads whoever deletes the session to the two above         |
| asking  | `SESSION#{id}`   | `ASKED#{digest}`       | which review a chat asked last about this block and inputs |

A review that nobody has decided is stored as pending for good: whoever reads it looks at the time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from shared.aws.writes import Item, Key, Put, Update, Write
from shared.kernel.clock import iso
from shared.kernel.ids import derived_id, digest
from shared.tasks.wait import review_awaited, review_of

RECORD_VERSION = 1
EXPIRY_DAYS = 30
MAX_DATA_BYTES = 180_000
"""Of what is asked about, and as many of what a user has made of it: an item must stay below 400 KB."""
MAX_NAME_CHARACTERS = 200
MAX_WORDS_CHARACTERS = 2_000
"""Of instructions, and of a message."""
_KEPT_SECONDS = 7 * 86_400
"""Beyond its expiry: until then a late answer hears that it is late."""

Status = Literal["pending", "approved", "rejected", "expired", "closed"]
"""Closed: nobody waits for the answer any more."""
Origin = Literal["run", "chat"]
_OF_LISTING = (
    "status",
    "name",
    "block_id",
    "block_name",
    "origin",
    "task_id",
    "call_id",
    "session_id",
    "editable",
    "created_at",
    "expires",
    "decided_at",
)


@dataclass(frozen=True)
class Asking:
    """What somebody wants to have reviewed."""

    user_id: str
    origin: Origin
    task_id: str
    """The run, or the turn of a chat."""
    call_id: str
    """The execution in the run, or the tool call: the same one asks once."""
    session_id: str
    block_id: str
    block_name: str
    payload: Any
    name: str = ""
    instructions: str = ""
    editable: bool = True
    of_inputs: bool = False
    """Whether the payload is what the block is about to be given, so that edited data must fit it."""
    until: int = 0
    """When whoever asks has ended at the latest (milliseconds since the epoch); 0: no bound."""


@dataclass(frozen=True)
class Review:
    """One review. Times are milliseconds since the epoch."""

    id: str
    user_id: str
    origin: Origin
    task_id: str
    call_id: str
    session_id: str
    block_id: str
    block_name: str
    payload: str
    """As JSON text."""
    created_at: int
    expires: int
    name: str = ""
    instructions: str = ""
    editable: bool = True
    of_inputs: bool = False
    status: Status = "pending"
    """As stored; see `status_at`."""
    data: str = ""
    """As JSON text: what the user has made of the payload. Empty: they left it as it is."""
    message: str = ""
    decided_at: int = 0
    used_by: str = ""
    """The call that has run what was approved in a chat."""
    told: bool = False
    """Whether the chat that asked has heard of the verdict."""

    def status_at(self, now: int) -> Status:
        """What became of it, or of the time to decide it."""
        return "expired" if self.status == "pending" and now >= self.expires else self.status

    @property
    def awaited(self) -> str:
        """How it is named in `Wait.on`."""
        return review_awaited(self.id)

    @property
    def value(self) -> Any:
        """What was approved or rejected: the payload, or what the user has made of it."""
        return json.loads(self.data or self.payload)

    @property
    def asker(self) -> tuple[str, str]:
        """Who asks; the same one never asks twice."""
        return self.task_id, self.call_id

    def to_item(self) -> Item:
        """The stored form."""
        named = {name: value for name, value in vars(self).items() if name != "id" and value != ""}
        return {**review_key(self.id), **named, "v": RECORD_VERSION, "expires_at": self._deleted_after}

    @classmethod
    def from_item(cls, item: Item) -> "Review":
        """The record from its stored form; fields of later versions are left out."""
        known = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        return cls(**{**known, "id": review_of(item["pk"])})

    def to_listing(self) -> Item:
        """What a list shows of it."""
        shown = {name: value for name, value in vars(self).items() if name in _OF_LISTING and value != ""}
        return {**listing_key(self), **shown, "v": RECORD_VERSION, "expires_at": self._deleted_after}

    @classmethod
    def from_listing(cls, item: Item) -> "Review":
        """The review without its data."""
        known = {name: item[name] for name in _OF_LISTING if name in item}
        user_id, review_id = str(item["pk"]).removeprefix("REVIEWS#"), str(item["sk"]).partition(".")[2]
        return cls(**{"name": "", "session_id": "", **known, "id": review_id, "user_id": user_id, "payload": "null"})

    @property
    def _deleted_after(self) -> int:
        """In seconds, as DynamoDB wants it."""
        return self.expires // 1000 + _KEPT_SECONDS

    def head(self, now: int) -> dict[str, Any]:
        """What the API shows in a list."""
        of_run = self.origin == "run"
        return {
            "review_id": self.id,
            "status": self.status_at(now),
            "name": self.name or self.block_name,
            "block_id": self.block_id,
            "block_name": self.block_name,
            "editable": self.editable,
            "run_id": self.task_id if of_run else None,
            "session_id": None if of_run else self.session_id,
            "created_at": iso(self.created_at),
            "expires_at": iso(self.expires),
            "decided_at": iso(self.decided_at) if self.decided_at else None,
        }

    def public(self, now: int) -> dict[str, Any]:
        """What the API shows of one."""
        return {
            **self.head(now),
            "instructions": self.instructions,
            "payload": json.loads(self.payload),
            "data": json.loads(self.data) if self.data else None,
            "message": self.message or None,
        }


def new_review(asking: Asking, payload: str, now: int, attempt: int = 0) -> Review:
    """The review that is asked for. `attempt` gives it another id, where somebody else has that one."""
    expires = now + EXPIRY_DAYS * 86_400_000
    return Review(
        id=_id_of(asking, attempt),
        user_id=asking.user_id,
        origin=asking.origin,
        task_id=asking.task_id,
        call_id=asking.call_id,
        session_id=asking.session_id,
        block_id=asking.block_id,
        block_name=asking.block_name,
        payload=payload,
        created_at=now,
        expires=min(expires, asking.until or expires),
        name=asking.name,
        instructions=asking.instructions,
        editable=asking.editable,
        of_inputs=asking.of_inputs,
    )


def _id_of(asking: Asking, attempt: int) -> str:
    """Those of a chat look like an execution of a node in a run that doesn't exist."""
    if asking.origin == "run":
        return derived_id("review", asking.task_id, asking.call_id, str(attempt))
    short = digest("\0".join(("review", asking.task_id, asking.call_id, str(attempt))))[:8]
    return f"copilot-node-{asking.block_id}:{short}"


def review_key(review_id: str) -> Key:
    """Where a review's record is."""
    return {"pk": review_awaited(review_id), "sk": "META"}


def listing_key(review: Review) -> Key:
    """Where its user's list has it."""
    return {"pk": f"REVIEWS#{review.user_id}", "sk": f"{review.created_at:013d}.{review.id}"}


def asking_key(asking: Asking, payload: str) -> Key:
    """Where a chat remembers what it has asked about this block and these inputs."""
    return {"pk": f"SESSION#{asking.session_id}", "sk": f"ASKED#{digest(asking.block_id + payload)}"}


def put_review(review: Review) -> list[Write]:
    """The writes that ask."""
    return [Put(review.to_item(), condition="attribute_not_exists(#pk)"), Put(review.to_listing())]


def put_in_session(asking: Key, review: Review, seen: str) -> list[Write]:
    """The writes by which its session knows it; `seen` is the review that stood at `asking`. Empty: none."""
    asked = {**asking, "v": RECORD_VERSION, "review_id": review.id}
    remembered = Put(asked, condition="attribute_not_exists(#pk)")
    if seen:
        remembered = Put(asked, condition="#review_id = :seen", values={"seen": seen})
    led_to = {"review": review_key(review.id), "listing": listing_key(review)}
    row = {"pk": f"SESSION#{review.session_id}", "sk": review_awaited(review.id), "v": RECORD_VERSION, **led_to}
    return [remembered, Put(row)]


def led_to(row: Item) -> list[Key]:
    """What a row of a session leads to, if it is one about a review."""
    return [row["review"], row["listing"]] if review_of(row["sk"]) else []


def decide(review: Review, status: Status, now: int, data: str, message: str) -> tuple[Review, list[Write]]:
    """The review as it is decided, and the writes that do so: once, and in time."""
    decided = replace(review, status=status, decided_at=now, data=data, message=message)
    expression = "SET #status = :status, #decided_at = :now, #data = :data, #message = :message"
    said: Mapping[str, Any] = {"status": status, "now": now, "data": data, "message": message}
    settled = Update(
        review_key(review.id),
        expression,
        condition="#status = :pending AND #expires > :now",
        values={**said, "pending": "pending"},
    )
    return decided, [settled, Put(decided.to_listing())]


def use(review: Review, by: str, now: int) -> Update:
    """The write that uses an approval up: one call may."""
    return Update(
        review_key(review.id),
        "SET #used_by = :by",
        condition="#status = :approved AND #expires > :now AND (attribute_not_exists(#used_by) OR #used_by = :by)",
        values={"by": by, "approved": "approved", "now": now},
    )


def tell(review: Review) -> Update:
    """The write that goes with what a chat is told of the verdict: it hears once, and not of what it has used."""
    return Update(
        review_key(review.id),
        "SET #told = :yes",
        condition="attribute_exists(#pk) AND #told = :no AND attribute_not_exists(#used_by)",
        values={"yes": True, "no": False},
    )


def give_back(review: Review, by: str) -> Update:
    """The write that leaves it for another call, because nothing was done."""
    return Update(review_key(review.id), "REMOVE #used_by", condition="#used_by = :by", values={"by": by})
