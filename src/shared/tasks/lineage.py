"""Trees of tasks: what a task that another one has started gets from it, and how a stop goes down.

| record | pk              | sk             | notes                                              |
|--------|-----------------|----------------|----------------------------------------------------|
| child  | `TASK#{parent}` | `CHILD#{task}` | put in the transaction that creates the child      |

A task that is cancelled or fails takes with it what it has started for itself; one that completes leaves it
running. The State table's stream tells of the end, and the children are looked up after it (`chat.stopping`). A child
that is created later still, by a worker that had not heard of the end, finds out when it is first worked on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.aws.database import Database
from shared.aws.writes import Put
from shared.kernel.limits import LONGEST_TASK_SECONDS
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import get_task

RECORD_VERSION = 1
MAX_DEPTH = 3
"""How many parents a task may have."""

TAKES_CHILDREN_ALONG = frozenset({TaskStatus.CANCELLED, TaskStatus.FAILED})


@dataclass(frozen=True)
class Lineage:
    """What a task has from the one that started it; the fields are `Task`'s."""

    parent: str = ""
    root: str = ""
    depth: int = 0
    dry_run: bool = False
    permissions: Mapping[str, Any] = field(default_factory=dict)
    """As `accounts.permissions` stores them."""
    tree_max_tokens: int = 0
    """What the tree may use, where somebody has set less than the deployment; 0: nobody has."""
    tree_max_micros: int = 0
    """The same in millionths of a US dollar."""
    schedule_id: str = ""
    """The schedule that has started it; neither what it starts for itself nor what follows it has one."""
    is_foreign: bool = False
    """Whether an agent of another user's making is above it: it asks before it uses an account of this one."""


def inherited(parent: Task) -> Lineage:
    """What `parent` hands on to a task that it starts for itself."""
    return replace(lineage_of(parent), parent=parent.id, root=parent.tree, depth=parent.depth + 1)


def lineage_of(task: Task) -> Lineage:
    """The same for a task that goes on in its place."""
    return Lineage(
        task.parent,
        task.root,
        task.depth,
        task.dry_run,
        task.permissions,
        task.tree_max_tokens,
        task.tree_max_micros,
        is_foreign=task.is_foreign,
    )


def child_row(task: Task) -> list[Put]:
    """The write by which its parent finds it; none for a task without one."""
    if not task.parent:
        return []
    row = {
        "pk": f"TASK#{task.parent}",
        "sk": f"CHILD#{task.id}",
        "v": RECORD_VERSION,
        "task_id": task.id,
        "expires_at": task.created_at // 1000 + LONGEST_TASK_SECONDS,
    }
    return [Put(row)]


def ancestors(database: Database, task: Task) -> Iterator[Task]:
    """The task itself, its parent, and so on up to the first that is still there."""
    found: Task | None = task
    while found:
        yield found
        found = get_task(database, found.parent) if found.parent else None


def is_orphan(database: Database, task: Task) -> bool:
    """Whether the task that it was started for has been stopped, or has failed."""
    parent = get_task(database, task.parent) if task.parent else None
    return parent is not None and parent.status in TAKES_CHILDREN_ALONG


def children_of(database: Database, task: Task) -> Iterator[str]:
    """The tasks that it has started for itself; so have the paused ones that it goes on with."""
    found: Task | None = task
    while found:
        condition = "#pk = :pk AND begins_with(#sk, :prefix)"
        for row in database.query(condition, {"pk": f"TASK#{found.id}", "prefix": "CHILD#"}):
            yield row["task_id"]
        found = get_task(database, found.resumes) if found.resumes else None
