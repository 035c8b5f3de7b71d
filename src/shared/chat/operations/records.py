"""What is stored of an operation besides its task.

| record    | pk          | sk            | notes                                                   |
|-----------|-------------|---------------|---------------------------------------------------------|
| operation | `TASK#{id}` | `OPERATION`   | the call that it does, and where its result belongs     |
| name      | `SESSION#{id}` | `OPERATION#{task}` | by which a purge of the session finds its task     |
| outcome   | `TASK#{id}` | `OUTCOME`     | what somebody outside has told, put once: the first one counts |
| step      | `TASK#{id}` | `STEP#{name}` | what its work has got so far                            |

The session's `operations` names the tasks of those that have not ended. Task and operation have ids that follow
from the turn and the call, so that a call never has two.
"""

from dataclasses import dataclass
from typing import Any

from shared.aws.database import Database
from shared.aws.writes import Item, Put, Update
from shared.kernel.ids import digest
from shared.tasks.records import Task, TaskStatus

RECORD_VERSION = 1
_ID_CHARACTERS = 32


@dataclass(frozen=True)
class Operation:
    """A call of a long-running tool."""

    task_id: str
    tool_name: str
    tool_call_id: str
    arguments: str
    """JSON text."""
    turn_id: str
    seq: int
    """The row of the transcript that waits for the result."""
    placeholder: str
    """What stands there until then."""
    deadline: int
    """When it has failed, in milliseconds since the epoch."""
    handed_off: bool = False
    """Whether somebody outside does it."""
    finishes: bool = False
    """Whether its tool takes what they bring, which is kept whole until then."""

    def puts(self, session_id: str) -> list[Put]:
        """The writes that create it, under its task and under its session."""
        name = {"pk": f"SESSION#{session_id}", "sk": f"OPERATION#{self.task_id}", "task_id": self.task_id}
        free = "attribute_not_exists(#pk)"
        record = {**_key(self.task_id, "OPERATION"), "v": RECORD_VERSION, **vars(self)}
        return [Put(record, condition=free), Put({**name, "v": RECORD_VERSION}, condition=free)]

    @classmethod
    def from_item(cls, item: Item) -> "Operation":
        """The record from its stored form."""
        return cls(**{name: item[name] for name in cls.__dataclass_fields__ if name in item})


@dataclass(frozen=True)
class Verdict:
    """How an operation ends."""

    status: TaskStatus
    output: Any = None
    """Of one that succeeded: JSON."""
    code: str = ""
    message: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether there is an output."""
        return self.status is TaskStatus.COMPLETED

    @property
    def is_error(self) -> bool:
        """Whether the model is told of a failure: also of one that an operation which has completed tells."""
        return not self.succeeded or (isinstance(self.output, dict) and self.output.get("type") == "error")

    @classmethod
    def success(cls, output: Any) -> "Verdict":
        """It has brought `output`."""
        return cls(TaskStatus.COMPLETED, output)

    @classmethod
    def failure(cls, code: str, message: str) -> "Verdict":
        """It has failed, and the model is told why."""
        return cls(TaskStatus.FAILED, code=code, message=message)

    @classmethod
    def stopped(cls) -> "Verdict":
        """The user has stopped it."""
        return cls(TaskStatus.CANCELLED, code="stopped_by_user", message="Stopped by the user.")


def operation_task_id(turn: Task, tool_call_id: str) -> str:
    """The task that does a turn's call."""
    return digest(f"{turn.id}/{tool_call_id}")[:_ID_CHARACTERS]


def load_operation(database: Database, task_id: str) -> Operation | None:
    """The operation of that task, or None."""
    item = database.get(_key(task_id, "OPERATION"))
    return Operation.from_item(item) if item else None


def handing_off(task_id: str) -> Update:
    """The write that says that the work is somebody else's now."""
    return Update(_key(task_id, "OPERATION"), "SET #handed_off = :yes", values={"yes": True})


def put_step(task_id: str, name: str, value: str) -> Put:
    """The write that keeps a step of the work."""
    return Put({**_key(task_id, f"STEP#{name}"), "v": RECORD_VERSION, "value": value})


def load_steps(database: Database, task_id: str) -> dict[str, str]:
    """The steps that are kept: name -> JSON text."""
    found = database.query("#pk = :pk AND begins_with(#sk, :prefix)", {"pk": f"TASK#{task_id}", "prefix": "STEP#"})
    return {item["sk"].removeprefix("STEP#"): item["value"] for item in found}


def put_outcome(task_id: str, outcome: Item) -> Put:
    """The write that keeps what was told from outside, unless something was before."""
    item = {**_key(task_id, "OUTCOME"), "v": RECORD_VERSION, **outcome}
    return Put(item, condition="attribute_not_exists(#pk)")


def load_outcome(database: Database, task_id: str) -> Item | None:
    """What was told from outside, or None."""
    return database.get(_key(task_id, "OUTCOME"))


def _key(task_id: str, sort: str) -> dict[str, str]:
    return {"pk": f"TASK#{task_id}", "sk": sort}
