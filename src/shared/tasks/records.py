"""The task record and its neighbours in the State table.

| record   | pk              | sk                              |
|----------|-----------------|---------------------------------|
| task     | `TASK#{id}`     | `META`                          |
| call     | `TASK#{id}`     | `CALL#{tool_call_id}`           |
| reserved | `TASK#{id}`     | `RESERVED#{call}#{epoch}`       |
| viewer   | `TASK#{id}`     | `VIEWER#{connection}#{request}` |
| view     | `CONN#{id}`     | `VIEW#{request}`                |
| waiter   | `WAIT#{record}` | see `waits`                     |
| child    | `TASK#{parent}` | see `lineage`                   |
| timer    | `TIMER#{shard}` | `{due, 13 digits}#{task}`       |

All times are whole milliseconds since the epoch, except `expires_at`, which DynamoDB's TTL wants in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from shared.aws.writes import Item, Key
from shared.kernel.events import TaskIds
from shared.kernel.ids import stable_number

RECORD_VERSION = 1
TIMER_SHARDS = 8
_OPERATION_PREFIX = "op_"


class TaskStatus(StrEnum):
    """Where a task is; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}


LIVE = "#status IN (:queued, :running, :waiting)"
"""The condition that a task has not ended; it needs `LIVE_VALUES`."""
LIVE_VALUES = {status.value: status.value for status in TaskStatus if not status.ended}


@dataclass(frozen=True)
class Spend:
    """What a task has used up so far."""

    steps: int = 0
    tool_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0
    """Millionths of a US dollar."""

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: "Spend") -> "Spend":
        """The sum, field by field."""
        return Spend(
            self.steps + other.steps,
            self.tool_calls + other.tool_calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost_micros + other.cost_micros,
        )


@dataclass(frozen=True)
class Task:
    """One turn, operation or run: who it is for, how far it is, who works on it."""

    id: str
    session_id: str
    user_id: str
    status: TaskStatus
    created_at: int
    context_from: int
    """The first message of the transcript that the model is given."""
    kind: str = "turn"
    epoch: int = 0
    lease_owner: str = ""
    lease_expires: int = 0
    """0: nobody holds it, and nothing is left to deliver."""
    inbox: int = 0
    takeovers: int = 0
    cancel_requested: bool = False
    ended_at: int | None = None
    error: dict[str, str] | None = None
    spend: Spend = field(default_factory=Spend)
    wait_until: int = 0
    """While it waits: when it goes on at the latest."""
    timer_generation: int = 0
    """Which of its timer rows counts: who wakes a task puts a new one, and the sweep forgets the older."""
    parent: str = ""
    """The task that started this one for itself; a tree's budget, depth and cancel go along it."""
    root: str = ""
    """The first task of the tree; empty: this one."""
    depth: int = 0
    """How many parents it has."""
    dry_run: bool = False
    """Whether nothing may take effect or be charged."""
    continues: str = ""
    """The task whose assistant message this turn goes on writing; empty: it writes one of its own."""
    tool_name: str = ""
    """The tool whose call an operation does."""
    pool: str = ""
    """What limits how many like it run at once (see `pools`); empty: nothing."""
    slot: str = ""
    """The task from which it has taken its slot over; empty: the slot is its own."""
    awaits_slot: bool = False
    """Whether no worker may take it before it has got a slot."""
    promoted_at: int = 0
    """When it got the slot that it had waited for."""

    @property
    def ready_at(self) -> int:
        """Since when it could be worked on."""
        return max(self.created_at, self.promoted_at)

    resumes: str = ""
    """The turn that paused, and that this one goes on with: of those that write the message, the one before."""
    carried: Spend = field(default_factory=Spend)
    """What the turns before it in the same message had spent: its bounds are theirs."""
    permissions: Mapping[str, Any] = field(default_factory=dict)
    """What it may use, as `accounts.permissions` stores it; the session's at the time of its accept."""
    tree_max_tokens: int = 0
    """What its tree may use, where somebody has set less than the deployment; 0: nobody has."""
    tree_max_micros: int = 0
    """The same in millionths of a US dollar."""
    schedule_id: str = ""
    """The schedule that has started it."""
    is_foreign: bool = False
    """Whether another user has made what it does: it asks before it uses an account of this one."""
    expires_at: int = 0
    """When its record goes, in seconds; 0: it stays as long as its session."""
    claimed_tokens: int = 0
    """Of the turn's budget: spent + reserved - raised; see `accounts.budgets.meters`."""
    claimed_micros: int = 0
    """The same in millionths of a US dollar."""

    @property
    def expiry(self) -> Item:
        """What a row carries that goes with the task's record."""
        return {"expires_at": self.expires_at} if self.expires_at else {}

    def has_expired(self, now: float) -> bool:
        """Whether its record is only there because DynamoDB deletes late; `now` in seconds."""
        return 0 < self.expires_at <= now

    @property
    def turns(self) -> tuple[str, ...]:
        """This turn and, as far as it knows, those that have written the same message before it."""
        return tuple(dict.fromkeys(task_id for task_id in (self.id, self.resumes, self.continues) if task_id))

    @property
    def message_id(self) -> str:
        """The id of the assistant message that this turn's stream builds; the same in every replay."""
        return f"msg_{self.continues or self.id}"

    @property
    def tree(self) -> str:
        """The tree of tasks that it belongs to, named after the first."""
        return self.root or self.id

    @property
    def operation_id(self) -> str | None:
        """How an operation is named to others; None for what is none."""
        return f"{_OPERATION_PREFIX}{self.id}" if self.kind == "operation" else None

    def fresh(self, **changes: Any) -> "Task":
        """A task that may do what this one may, and has done nothing yet."""
        new = {**_UNTOUCHED, "status": TaskStatus.QUEUED, "spend": Spend(), "carried": Spend(), **changes}
        return replace(self, **new)

    @property
    def ids(self) -> TaskIds:
        """What every log line about this task names."""
        return {"session_id": self.session_id, "task_id": self.id, "user_id": self.user_id}

    def leased(self, now: int) -> bool:
        """Whether somebody works on it right now."""
        return self.lease_expires > now

    def to_item(self) -> Item:
        """The stored form."""
        optional: Item = {
            "parent": self.parent,
            "root": self.root,
            "depth": self.depth,
            "dry_run": self.dry_run,
            "continues": self.continues,
            "tool_name": self.tool_name,
            "pool": self.pool,
            "slot": self.slot,
            "awaits_slot": self.awaits_slot,
            "resumes": self.resumes,
            "carried": vars(self.carried) if self.carried != Spend() else None,
            "permissions": dict(self.permissions),
            "tree_max_tokens": self.tree_max_tokens,
            "tree_max_micros": self.tree_max_micros,
            "schedule_id": self.schedule_id,
            "is_foreign": self.is_foreign,
            "expires_at": self.expires_at,
            "claimed_tokens": self.claimed_tokens,
            "claimed_micros": self.claimed_micros,
        }
        return {
            **{name: value for name, value in optional.items() if value},
            **task_key(self.id),
            "v": RECORD_VERSION,
            "kind": self.kind,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "status": self.status.value,
            "created_at": self.created_at,
            "context_from": self.context_from,
            "epoch": self.epoch,
            "lease_owner": self.lease_owner,
            "lease_expires": self.lease_expires,
            "inbox": self.inbox,
            "takeovers": self.takeovers,
            "spend": vars(self.spend),
        }

    @classmethod
    def from_item(cls, item: Item) -> "Task":
        """The record from its stored form."""
        return cls(
            id=str(item["pk"]).removeprefix("TASK#"),
            session_id=item["session_id"],
            user_id=item["user_id"],
            status=TaskStatus(item["status"]),
            created_at=item["created_at"],
            context_from=item["context_from"],
            kind=item["kind"],
            epoch=item["epoch"],
            lease_owner=item["lease_owner"],
            lease_expires=item["lease_expires"],
            inbox=item["inbox"],
            takeovers=item["takeovers"],
            cancel_requested=item.get("cancel_requested", False),
            ended_at=item.get("ended_at"),
            error=item.get("error"),
            spend=Spend(**item["spend"]),
            wait_until=item.get("wait_until", 0),
            timer_generation=item.get("timer_generation", 0),
            parent=item.get("parent", ""),
            root=item.get("root", ""),
            depth=item.get("depth", 0),
            dry_run=item.get("dry_run", False),
            continues=item.get("continues", ""),
            tool_name=item.get("tool_name", ""),
            pool=item.get("pool", ""),
            slot=item.get("slot", ""),
            awaits_slot=item.get("awaits_slot", False),
            promoted_at=item.get("promoted_at", 0),
            resumes=item.get("resumes", ""),
            carried=Spend(**item.get("carried", {})),
            permissions=item.get("permissions", {}),
            tree_max_tokens=item.get("tree_max_tokens", 0),
            tree_max_micros=item.get("tree_max_micros", 0),
            schedule_id=item.get("schedule_id", ""),
            is_foreign=item.get("is_foreign", False),
            expires_at=item.get("expires_at", 0),
            claimed_tokens=item.get("claimed_tokens", 0),
            claimed_micros=item.get("claimed_micros", 0),
        )


_UNTOUCHED: dict[str, Any] = {
    name: Task.__dataclass_fields__[name].default
    for name in (
        *("epoch", "lease_owner", "lease_expires", "inbox", "takeovers", "cancel_requested", "ended_at", "error"),
        *("wait_until", "timer_generation", "continues", "resumes", "tool_name", "schedule_id"),
        *("pool", "slot", "awaits_slot", "promoted_at", "claimed_tokens", "claimed_micros"),
        "expires_at",
    )
}


def operation_task(operation_id: str) -> str:
    """The task of an operation, by its id."""
    return operation_id.removeprefix(_OPERATION_PREFIX)


def task_key(task_id: str) -> Key:
    """Where a task's record is."""
    return {"pk": f"TASK#{task_id}", "sk": "META"}


def call_key(task_id: str, tool_call_id: str) -> Key:
    """Where the journal of one tool call is."""
    return {"pk": f"TASK#{task_id}", "sk": f"CALL#{tool_call_id}"}


def timer_item(task_id: str, due: int, generation: int = 0) -> Item:
    """The one timer row of a live task that counts: `due` is when the sweep looks at it next."""
    shard = stable_number(task_id, TIMER_SHARDS)
    item: Item = {"pk": f"TIMER#{shard}", "sk": f"{due:013d}#{task_id}", "v": RECORD_VERSION, "task_id": task_id}
    return item | {"generation": generation} if generation else item


def due_of(timer: Item) -> int:
    """When a timer row is due."""
    return int(timer["sk"].partition("#")[0])
