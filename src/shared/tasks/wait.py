"""What a tool answers when it has to wait, and how that is journalled. `waits` does the waiting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.aws.writes import Item
from shared.tasks.records import Task, call_key

RECORD_VERSION = 1
_REVIEW = "REVIEW#"
"""How `review_awaited` begins."""


@dataclass(frozen=True)
class Wait:
    """What a tool answers when it has to wait for something that others do."""

    on: tuple[str, ...]
    """Partition keys of the awaited records, such as `TASK#42`; none: it only waits for the time."""
    until: int
    """When it goes on at the latest, in milliseconds since the epoch."""
    need: Literal["any", "all"] = "any"
    note: Mapping[str, Any] = field(default_factory=dict)
    """What the tool wants to be told when it goes on; JSON without floats."""
    reviews_within: tuple[str, ...] = ()
    """Ids of reviews that what it waits for waits for; an earlier wait of the call may have named them."""

    @property
    def asks_user(self) -> bool:
        """Whether it is up to a user when it is settled."""
        return bool(self.reviews)

    @property
    def reviews(self) -> list[str]:
        """The ids of the reviews that it waits for."""
        return list(dict.fromkeys([*self.reviews_within, *filter(None, map(review_of, self.on))]))

    def to_item(self, task: Task, tool_call_id: str, name: str) -> Item:
        """The call's journal while it waits."""
        return {
            **call_key(task.id, tool_call_id),
            **task.expiry,
            "v": RECORD_VERSION,
            "name": name,
            "status": "waiting",
            "on": list(self.on),
            "until": self.until,
            "need": self.need,
            "note": dict(self.note),
            **({"reviews_within": list(self.reviews_within)} if self.reviews_within else {}),
        }

    @classmethod
    def from_item(cls, item: Item) -> "Wait":
        """The wait that a call's journal tells of."""
        within = tuple(item.get("reviews_within", ()))
        return cls(tuple(item["on"]), item["until"], item["need"], item["note"], within)


def task_awaited(task_id: str) -> str:
    """How a task is named in `Wait.on`."""
    return f"TASK#{task_id}"


def review_awaited(review_id: str) -> str:
    """How a review is named in `Wait.on`."""
    return f"{_REVIEW}{review_id}"


def review_of(awaited: str) -> str:
    """The id of the review that is named so; empty if it is something else."""
    return awaited.removeprefix(_REVIEW) if awaited.startswith(_REVIEW) else ""


PAUSE = "PAUSE#"
"""How `pause_awaited` begins."""


def pause_awaited(task_id: str, behind: int = 0) -> str:
    """How it is named in `Wait.on` that a task waits for its user, or has ended. Who wants both names the task too.

    `behind` is an epoch of the task: that it waited then doesn't count, only what it does when it was taken up again.
    """
    return f"{PAUSE}{task_id}@{behind}" if behind else f"{PAUSE}{task_id}"


def pause_of(awaited: str) -> tuple[str, int]:
    """The id and the epoch of what is named so; empty if it is something else."""
    if not awaited.startswith(PAUSE):
        return "", 0
    task_id, _, behind = awaited.removeprefix(PAUSE).partition("@")
    return task_id, int(behind or 0)
