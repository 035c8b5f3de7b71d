"""The vocabulary of the logs: every event that Parley can log, and every field that one can have.

`telemetry.log_event` takes nothing else (mypy checks each call), so what is not here can't be logged. There is no
field for a text, a token, an argument or a result. docs/operating.md says what each event means.
"""

from typing import Literal, TypedDict

Event = Literal[
    # who comes and goes
    "ticket.issued",
    "identity.keys_fetched",
    "identity.keys_unavailable",
    "socket.authorized",
    "socket.refused",
    "socket.connected",
    "socket.connect_failed",
    "socket.disconnected",
    "socket.disconnect_failed",
    "viewer.registered",
    "viewer.detached",
    "viewer.dropped",
    # a session and its messages
    "session.created",
    "session.claimed",
    "session.titled",
    "session.title_failed",
    "session.renamed",
    "session.deleted",
    "session.purged",
    "session.purge_failed",
    "message.pending",
    "messages.drained",
    # a turn
    "turn.accepted",
    "turn.queued",
    "turn.promoted",
    "turn.send_failed",
    "turn.message_dropped",
    "turn.leased",
    "turn.taken_over",
    "turn.lease_lost",
    "turn.continued",
    "turn.parked",
    "turn.cancel_requested",
    "turn.completed",
    "turn.failed",
    "turn.cancelled",
    # users' agents
    "agent.created",
    "agent.changed",
    "agent.deleted",
    "agent.published",
    "agent.withdrawn",
    # what the user is asked
    "approval.requested",
    "approval.answered",
    "approval.closed",
    "review.requested",
    "review.decided",
    "review.used",
    # its steps
    "model.answered",
    "model.failed",
    "step.stored",
    "step.withdrawn",
    "context.compacted",
    "tool.started",
    "tool.raised",
    "tool.finished",
    "tool.output_kept",
    "tool.output_not_kept",
    "workspace.file_written",
    "workspace.file_deleted",
    "workspace.object_left",
    # an operation
    "operation.started",
    "operation.handed_off",
    "operation.completion_received",
    "operation.finished",
    # a schedule
    "schedule.created",
    "schedule.changed",
    "schedule.paused",
    "schedule.resumed",
    "schedule.deleted",
    "schedule.fired",
    "schedule.left_out",
    "schedule.failed",
    "schedule.disabled",
    "schedules.looked_at",
    "schedules.unread",
    "schedules.handed_on",
    # a run of an agent
    "run.started",
    "run.finished",
    "block.finished",
    "webhook.refused",
    "webhook.finished",
    # money
    "budget.exhausted",
    "budget.settled_in_full",
    "usage.unavailable",
    "credits.granted",
    "credits.charged",
    "credits.leaked",
    # users' accounts elsewhere
    "credential.connected",
    "credential.removed",
    "credential.refused",
    "credential.refreshed",
    "credential.refresh_failed",
    "credential.ended",
    "credential.unreadable",
    # what the product's owners want to know
    "copilot_message_sent",
    "copilot_tool_called",
    "copilot_tool_timeout",
    "copilot_operation_started",
    "copilot_operation_finished",
    "copilot_sub_session_started",
    "copilot_agent_run_success",
    "copilot_agent_scheduled",
    # what keeps turns going
    "slots.promotion_failed",
    "sweep.done",
    "timer.failed",
    "timers.unread",
    "task.resent",
    "task.worker_lost",
    "task.woken",
    "message.failed",
    "dead_letter.ended",
    "dead_letter.was_over",
    "dead_letter.unreadable",
    # what should not happen
    "api.failed",
    "api.unavailable",
    "api.misconfigured",
    "database.refused",
    "frame.failed",
]


class TaskIds(TypedDict):
    """What every event about a task carries."""

    session_id: str
    task_id: str
    user_id: str


class CredentialIds(TypedDict):
    """What every event about a credential carries."""

    user_id: str
    provider: str
    credential_id: str


class Fields(TypedDict, total=False):
    """What an event may carry: ids, numbers, and words from closed sets."""

    session_id: str
    task_id: str | None
    user_id: str | None
    connection_id: str
    tool_call_id: str
    queue_message_id: str

    code: str | None
    """A code of `kernel/errors.py`, of the model's failures, or of a tool's."""
    reason: str | None
    """Who ended a cancelled turn (`cancelled`, `dequeued`, `forced`); why keys could not be fetched."""
    status: str
    outcome: str
    """`ok`, or a tool's error code."""
    tool: str | None
    """A tool of the registry; a name that a model has made up is not logged."""
    error: str
    """An exception's type, without its words."""
    where: list[str]
    """The innermost frames of its traceback."""
    route: str
    """The method and the pattern of a path."""

    epoch: int
    takeovers: int
    attempt: int
    step: int
    steps: int
    tool_calls: int
    messages: int
    timers: int
    known_keys: int
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int
    size_bytes: int
    seconds: float | None

    sub_session_id: str
    scope: str
    """Which budget: `turn`, `tree`, `day`, `week`."""
    credits: int

    provider: str
    """Whose account: a name of the deployment's."""
    credential_id: str

    schedule_id: str
    schedule_name: str
    """What the user calls it; like `cron` and `graph_name`, in events of `analytics` alone."""
    cron: str
    graph_name: str
    graph_id: str
    execution_id: str
    """Of a run."""
    library_agent_id: str
    fires: int
    shard: int

    message_length: int
    """Characters."""
    tool_name: str
    operation_id: str
    block: str | None
    block_id: str | None
    input_keys: list[str]
    """Which of its arguments a tool was given; those that it doesn't have are left out."""
    user: str
    session: str
    cap_s: int
