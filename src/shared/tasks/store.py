"""Reading tasks, and the writes that anybody may make about one."""

from collections.abc import Iterator

from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Item, Put, Update
from shared.tasks.records import LIVE, LIVE_VALUES, Task, task_key


def get_task(database: Database, task_id: str) -> Task | None:
    """The task, or None."""
    item = database.get(task_key(task_id))
    return Task.from_item(item) if item else None


def neighbours(database: Database, task_id: str) -> Iterator[Item]:
    """Everything stored under the task: its record, calls and viewers, in this order of keys."""
    return database.query("#pk = :pk", {"pk": f"TASK#{task_id}"})


def raise_inbox(task_id: str, extra: str = "", condition: str = LIVE) -> Update:
    """The write that tells the task's owner to look again; fails once the task has ended.

    `extra` is appended to the SET clause. Every change that concerns a live task carries this write
    in its own transaction, before any message is sent about it.
    """
    return Update(
        task_key(task_id),
        f"SET #inbox = #inbox + :one{extra}",
        condition=condition,
        values={"one": 1, **LIVE_VALUES},
    )


def request_cancel(database: Database, task_id: str) -> Task | None:
    """Ask the owner to stop; the task as it is after that, or None if it has ended or never was."""
    write = raise_inbox(task_id, ", #cancel_requested = :yes")
    try:
        item = database.write(Update(write.key, write.expression, write.condition, {**write.values, "yes": True}))
    except ConditionFailed:
        return None
    return Task.from_item(item)


def put_task(task: Task) -> Put:
    """The write that creates a task."""
    return Put(task.to_item(), condition="attribute_not_exists(#pk)")
