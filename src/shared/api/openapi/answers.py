"""What the routes answer, as models. They describe; `tests/unit/api` holds the real answers to them."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Every error answer. `code` is stable; `message` is for people and may change."""

    code: str
    message: str
    details: dict[str, Any] | None = None


class Health(BaseModel):
    """The API reads its storage."""

    status: Literal["ok"]


class Ticket(BaseModel):
    """Good for one WebSocket connection: open `{url}?ticket={ticket}` within `expires_in` seconds."""

    ticket: str
    url: str
    expires_in: int


class Guest(BaseModel):
    """Somebody who has not signed in; the token is a bearer token."""

    token: str
    user_id: str
    expires_in: int = Field(description="seconds")


class ShownProfile(BaseModel):
    """What a user has told about themselves."""

    name: str | None
    timezone: str | None = Field(description="IANA name")
    instructions: str
    understanding: dict[str, str] = Field(description="facts by name")
    updated_at: str | None


class Tokens(BaseModel):
    """Prompt and completion together."""

    used: int | None = Field(description="null: it can't be read right now")
    reserved: int | None = Field(description="held by calls of the model that are under way")
    limit: int | None = Field(description="null: there is none")


class Usd(BaseModel):
    """US dollars, by the deployment's prices."""

    used: float | None = Field(description="null: it can't be read right now")
    reserved: float | None = Field(description="held by calls of the model that are under way")
    limit: float | None = Field(description="null: there is none")


class PeriodUsage(BaseModel):
    """A day or a week, in UTC."""

    percent_used: float | None = Field(description="of the nearer limit; 100 if it is 0; null without one")
    resets_at: str
    tokens: Tokens
    usd: Usd


class ShownUsage(BaseModel):
    """What a user has used."""

    daily: PeriodUsage
    weekly: PeriodUsage
    credits: int | None = Field(description="null: it can't be read right now")


class SessionHead(BaseModel):
    """A session as a list shows it. Times are ISO 8601 in UTC."""

    id: str
    title: str | None
    created_at: str
    updated_at: str
    is_processing: bool = Field(description="a turn runs")
    parent_session: str | None = Field(description="of a sub-session: the session in which it was started")


class SessionList(BaseModel):
    """A page of sessions, the last accepted message first."""

    sessions: list[SessionHead]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")


class ShownToolCall(BaseModel):
    """A tool call that the model asked for."""

    id: str
    name: str
    arguments: str = Field(description="JSON text")


class ShownMessage(BaseModel):
    """A row of the transcript. A call's result is a row of its own with role `tool`."""

    id: str
    role: Literal["user", "assistant", "tool", "system"]
    content: str = Field(description="of a `tool` row: the response as JSON text, see /api/chat/schema/tool-responses")
    reasoning: str | None
    tool_calls: list[ShownToolCall] | None
    tool_call_id: str | None
    tool_name: str | None
    is_error: bool
    sequence: int
    task_id: str
    status: Literal["failed", "cancelled"] | None = Field(description="how the turn ended, if not well")
    error: str | None = Field(description="why it failed")
    schedule_id: str | None = Field(description="of a `user` row: the schedule that has sent it")
    created_at: str


class ActiveStream(BaseModel):
    """The turn that runs: its rows are left out of the messages, its stream brings them. Or an operation that does."""

    task_id: str
    last_message_id: str = Field(description="cursor for /api/chat/tasks/{task_id}/stream; `0-0` is the start")
    operation_id: str | None
    tool_name: str | None


class Totals(BaseModel):
    """What the session's turns have used."""

    steps: int
    tool_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int = Field(description="millionths of a US dollar")


class SessionPage(SessionHead):
    """A session with a page of its messages, oldest first."""

    messages: list[ShownMessage]
    has_more_messages: bool
    oldest_sequence: int | None = Field(description="`before_sequence` of the page before this one")
    active_stream: ActiveStream | None
    totals: Totals


class ShownApproval(BaseModel):
    """A call that the user is asked about."""

    approval_id: str
    session_id: str
    task_id: str = Field(description="the turn that paused")
    tool_call_id: str
    tool_name: str = Field(description="`raise_budget`: whether the turn may spend more")
    arguments: str = Field(description="JSON text")
    status: Literal["open", "approved", "denied", "expired"]
    reason: str | None
    created_at: str
    expires_at: str


class ApprovalList(BaseModel):
    """What the session's paused turn asks, in the order of the calls; empty when nothing is asked."""

    approvals: list[ShownApproval]


class AnswerGiven(BaseModel):
    """What became of the answer. `recorded`: other requests of the same step are still open."""

    approval_id: str
    session_id: str
    approved: bool
    status: Literal["started", "recorded", "repeated"]
    task_id: str | None = Field(description="the turn that goes on")


class ReviewHead(BaseModel):
    """What a user is asked to review, in short."""

    review_id: str
    status: Literal["pending", "approved", "rejected", "expired", "closed"] = Field(
        description="closed: the run that asked has ended"
    )
    name: str
    block_id: str
    block_name: str
    editable: bool = Field(description="whether `data` may be given with an approval")
    run_id: str | None = Field(description="the run that asks")
    session_id: str | None = Field(description="the chat that asks")
    created_at: str
    expires_at: str
    decided_at: str | None


class ReviewPage(BaseModel):
    """The newest first."""

    reviews: list[ReviewHead]
    next_cursor: str | None


class ShownReview(ReviewHead):
    """A review with what it is about."""

    instructions: str
    payload: Any = Field(description="what it is about: any JSON value, or the inputs of a block")
    data: Any = Field(description="what the user has made of the payload; null if they left it as it is")
    message: str | None


class SendAccepted(BaseModel):
    """The message was taken in.

    `pending`: it waits for the turn `task_id`, which runs. `recorded`: the answer to a request for approval,
    while others of the same step are open.
    """

    task_id: str
    session_id: str
    status: Literal["queued", "running", "waiting", "completed", "failed", "cancelled", "pending", "recorded"]


class RunCall(BaseModel):
    """A tool call that the turn has made."""

    id: str
    name: str
    arguments: str = Field(description="JSON text")
    output: str = Field(description="JSON text; empty: none came")
    is_error: bool


class RunUsage(BaseModel):
    """Tokens of the turn."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class RunAnswer(BaseModel):
    """Where the turn is that hears the message, and once it has ended, what it has answered."""

    status: Literal["running", "completed", "cancelled", "error", "queued"] = Field(
        description="`queued`: another turn runs, and has not heard the message yet"
    )
    session_id: str
    task_id: str
    response: str | None
    error: str | None = Field(description="why it failed")
    tool_calls: list[RunCall]
    usage: RunUsage


class PendingAccepted(BaseModel):
    """The message waits. `started`: the turn had just ended, so it became one; `repeated`: it was known."""

    task_id: str
    session_id: str
    status: Literal["pending", "started", "repeated"]


class PendingMessage(BaseModel):
    """A message that the turn has not seen yet."""

    message_id: str
    content: str
    created_at: str


class PendingList(BaseModel):
    """What waits, oldest first."""

    messages: list[PendingMessage]
    count: int
    max: int


class TurnError(BaseModel):
    """Why a turn failed."""

    code: str
    message: str


class ShownTask(BaseModel):
    """Where a task is."""

    task_id: str
    session_id: str
    kind: Literal["turn", "operation", "run", "delivery"]
    status: Literal["queued", "running", "waiting", "completed", "failed", "cancelled"]
    tool_name: str | None
    operation_id: str | None
    created_at: str
    ended_at: str | None
    error: TurnError | None


class Completed(BaseModel):
    """The operation's completion was taken, or one was before."""

    status: Literal["ok"]
    task_id: str


class OperationCancelled(BaseModel):
    """Whether there was something to stop; the operation ends a moment later."""

    cancelled: bool
    task_id: str | None


class CancelAnswer(BaseModel):
    """What a stop achieved. When this is answered, the turn has ended."""

    cancelled: bool
    task_id: str | None
    reason: Literal["cancelled", "dequeued", "forced", "no_active_task"]


class BlockExample(BaseModel):
    """What comes out of what; outputs are lists of values, in the order in which they are emitted."""

    inputs: dict[str, Any]
    outputs: dict[str, list[Any]]


class ShownCredential(BaseModel):
    """A user's account elsewhere; its secret is never shown."""

    id: str
    provider: str
    kind: Literal["api_key", "bearer", "basic", "oauth2"]
    title: str
    hosts: list[str] = Field(description="where the secret may be sent, over HTTPS")
    scopes: list[str]
    status: Literal["ready", "needs_reconnect"]
    created_at: str
    last_used_on: str | None = Field(description="day in UTC")
    token_expires_at: str | None = Field(description="of an access token, which is renewed when it is used")


class ShownProvider(BaseModel):
    """Whose accounts can be connected: those of kind `oauth2` by signing in, the others by their secret."""

    name: str
    title: str
    kind: Literal["api_key", "bearer", "basic", "oauth2"]
    hosts: list[str] = Field(description="empty: each account names its own")
    scopes: list[str]


class CredentialList(BaseModel):
    """The newest first."""

    credentials: list[ShownCredential]
    providers: list[ShownProvider]


class SignInStart(BaseModel):
    """Where the user's browser goes; the cookie that comes with this must come back from there."""

    url: str


class ShownBlock(BaseModel):
    """A piece of work that agents are made of."""

    id: str
    name: str
    description: str
    category: str
    price_credits: int
    side_effect: bool
    needs_review: bool
    credentials: list[str]
    is_loop: bool
    in_chat: bool
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    examples: list[BlockExample]


class ShownBlocks(BaseModel):
    """The blocks, and all categories that there are."""

    blocks: list[ShownBlock]
    categories: list[str]
