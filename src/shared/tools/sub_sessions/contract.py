"""What the tools about sub-sessions need from whoever runs turns, and what they answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, Field

from shared.tasks.run_state import Followed, RunState, RunStatus
from shared.tools.contract import ToolContext, ToolResponse

MAX_WAIT_SECONDS = 300
DEFAULT_WAIT_SECONDS = 60
PROGRESS_ROWS = 5
PROGRESS_CHARACTERS = 400


def _within_bounds(value: object) -> object:
    """A wait that is too long, or negative, is not worth another call."""
    return min(max(value, 0), MAX_WAIT_SECONDS) if isinstance(value, int) else value


WaitSeconds = Annotated[int, BeforeValidator(_within_bounds), Field(ge=0, le=MAX_WAIT_SECONDS)]
SessionId = Annotated[str, Field(min_length=1, max_length=64)]


@dataclass(frozen=True)
class Assignment:
    """What a sub-session is asked to do."""

    prompt: str
    system_context: str = ""
    session_id: str | None = None
    """None: a new one."""


@dataclass(frozen=True)
class Row:
    """A row of the sub-session's transcript."""

    seq: int
    role: Literal["user", "assistant", "tool", "system"]
    text: str
    tool_name: str


class SubSessions(Protocol):
    """Runs turns in sessions of the caller's user.

    Everything raises `ToolError` for what the model should read; a session that does not exist and one that
    belongs to somebody else look the same.
    """

    def begin(self, context: ToolContext, assignment: Assignment) -> Followed:
        """Have the assignment heard: by a new turn, or by the one that runs. The same call begins it once."""

    def latest(self, context: ToolContext, session_id: str) -> Followed:
        """The session's turn that runs, or else its last one."""

    def look(self, context: ToolContext, followed: Followed) -> RunState:
        """Where a turn is."""

    def cancel(self, context: ToolContext, session_id: str) -> None:
        """Stop the turn that runs, if one does; it has ended when this returns."""

    def recent(self, context: ToolContext, session_id: str) -> Sequence[Row]:
        """The last rows, in order."""


class SubSessionCall(BaseModel):
    """A tool call that the sub-session has made; its texts are cut."""

    tool_name: str
    tool_call_id: str
    arguments: str
    output: str
    success: bool


class TokenUsage(BaseModel):
    """Of the turn."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class SubSessionRow(BaseModel):
    """A row of the transcript, cut."""

    role: Literal["user", "assistant", "tool", "system"]
    content: str
    tool_name: str | None


class SubSessionProgress(BaseModel):
    """How far it is."""

    message_count: int
    last_messages: list[SubSessionRow]


class SubSessionResult(ToolResponse):
    """Where a sub-session is, and what it has answered."""

    type: Literal["sub_session"] = "sub_session"
    status: RunStatus
    sub_session_id: str
    link: str
    """Where a person finds it in the console."""
    response: str | None = None
    """What its turn has answered; None while it runs. Of a turn that was stopped or failed: as far as it got."""
    error: str | None = None
    """Why it failed."""
    tool_calls: list[SubSessionCall] = Field(default_factory=list)
    usage: TokenUsage | None = None
    progress: SubSessionProgress | None = None
