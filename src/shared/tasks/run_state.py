"""A turn that somebody waits for, and what is told of it: the words that chat and tools share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.tasks.records import Spend

RunStatus = Literal["running", "completed", "cancelled", "error", "queued"]
"""`queued`: the message waits for the turn that runs, and no turn has heard it yet."""


@dataclass(frozen=True)
class Followed:
    """A turn that somebody waits for."""

    session_id: str
    task_id: str
    message_id: str = ""
    """Where it is not sure yet which turn hears the message: `task_id` runs, or ran, when it came."""

    def to_note(self) -> dict[str, Any]:
        """For a journal."""
        return dict(vars(self))

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> "Followed":
        """From a journal."""
        return cls(**note)


@dataclass(frozen=True)
class MadeCall:
    """A tool call of a turn; `arguments` and `output` are JSON texts."""

    id: str
    name: str
    arguments: str
    output: str
    is_error: bool


@dataclass(frozen=True)
class RunState:
    """Where a followed turn is; what it has answered, once it has ended."""

    status: RunStatus
    session_id: str
    task_id: str
    response: str = ""
    error: str = ""
    """Why it failed, for people."""
    tool_calls: tuple[MadeCall, ...] = ()
    spend: Spend = field(default_factory=Spend)
    awaits: str | None = None
    """The task whose end is news; None: waiting changes nothing."""
