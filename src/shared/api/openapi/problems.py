"""Every error code that a route may answer with: its status, and an example of its words."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Known:
    """One code."""

    status: int
    message: str
    details: dict[str, Any] | None = None

    def example(self, code: str) -> dict[str, Any]:
        """The body of such an answer."""
        return {"code": code, "message": self.message, **({"details": self.details} if self.details else {})}


PROBLEMS: dict[str, Known] = {
    "invalid_json": Known(400, "The body is not JSON."),
    "cursor_beyond_head": Known(400, "The stream has 7 parts so far."),
    "token_missing": Known(401, "Send a bearer token in the Authorization header."),
    "token_expired": Known(401, "The token has expired."),
    "token_invalid": Known(401, "The token is not valid."),
    "token_key_unknown": Known(401, "The token is signed with a key that is not known."),
    "keys_unavailable": Known(401, "Tokens can't be checked right now; try again in a minute."),
    "api_key_invalid": Known(401, "The key is not right."),
    "signature_expired": Known(401, "This address has expired."),
    "guests_disabled": Known(401, "Guests are not served any more; sign in."),
    "login_required": Known(403, "Sign in for this; guests have no account."),
    "SESSION_NOT_FOUND": Known(404, "There is no such session."),
    "SCHEDULE_NOT_FOUND": Known(404, "There is no such schedule."),
    "OPERATION_NOT_FOUND": Known(404, "There is no such operation."),
    "TASK_NOT_FOUND": Known(404, "There is no such task."),
    "APPROVAL_NOT_FOUND": Known(404, "There is no such request for approval."),
    "REVIEW_NOT_FOUND": Known(404, "There is no such review."),
    "review_decided": Known(409, "The review is approved already.", {"status": "approved"}),
    "AGENT_NOT_FOUND": Known(404, "There is no such agent in the library."),
    "GRAPH_NOT_FOUND": Known(404, "The agent's graph is gone."),
    "RUN_NOT_FOUND": Known(404, "There is no such run."),
    "WEBHOOK_NOT_FOUND": Known(404, "The agent has no webhook."),
    "VERSION_NOT_FOUND": Known(404, "The agent has no such version."),
    "STORE_AGENT_NOT_FOUND": Known(404, "Nothing is published under that name."),
    "AGENT_CHANGED": Known(409, "The agent was changed meanwhile; look at it again.", {"version": 4}),
    "USERNAME_TAKEN": Known(409, "This username is taken."),
    "USERNAME_FIXED": Known(409, "You have a username; it doesn't change."),
    "USERNAME_MISSING": Known(409, "Claim a username first."),
    "NOT_YOUR_GRAPH": Known(409, "This agent was published by somebody else; change it, and it is your own."),
    "SLUG_TAKEN": Known(409, "Another agent is published under this slug; choose another."),
    "PUBLISHED_MEANWHILE": Known(409, "It was published meanwhile; look again."),
    "CREDENTIAL_NOT_FOUND": Known(404, "There is no such credential."),
    "approval_answered": Known(409, "The request is denied already.", {"status": "denied"}),
    "approval_closed": Known(409, "Nobody asks for this approval any more."),
    "approval_open": Known(409, "The session's user is asked for an approval; answer that first."),
    "turn_running": Known(409, "A turn is running in this session."),
    "schedule_running": Known(409, "What it has started before still runs."),
    "agent_deleted": Known(409, "The agent was deleted."),
    "agent_invalid": Known(409, "The agent was changed. The inputs don't fit the agent; give what it asks for."),
    "session_deleted": Known(409, "The session was deleted."),
    "no_active_task": Known(409, "No turn is running in this session."),
    "TASK_EXPIRED": Known(410, "The stream of this task has expired; its messages remain."),
    "approval_expired": Known(410, "The request has expired."),
    "review_expired": Known(410, "The review has expired."),
    "review_closed": Known(410, "The run that asked has ended."),
    "review_too_large": Known(413, "The data have more than 180000 bytes."),
    "too_large": Known(413, "The body is larger than 1000000 bytes."),
    "run_busy": Known(503, "Too many runs begin at once."),
    "too_many_runs": Known(
        429,
        "No more than 1000 runs may be running or queued at once. Wait for one to end, or stop one.",
        {"limit": 1_000},
    ),
    "inputs_too_large": Known(413, "The inputs are too large: 200000 bytes at most for a run, 32000 for a schedule."),
    "GRAPH_TOO_LARGE": Known(413, "The graph is larger than 1000000 bytes."),
    "GRAPH_INVALID": Known(
        422,
        "The graph can't run as it is.",
        {"problems": [{"code": "no_output", "node_id": "", "message": "The agent has no output: add one."}]},
    ),
    "USERNAME_RESERVED": Known(422, "This username is reserved."),
    "SLUG_MISSING": Known(422, "No slug can be made of the agent's name; choose one."),
    "validation_failed": Known(
        422, "The request is not valid.", {"problems": [{"field": "message", "problem": "Field required"}]}
    ),
    "invalid_cursor": Known(422, "The cursor must be an event id of this stream."),
    "unsupported_trigger": Known(422, "Only submit-message is supported: a session is not rewritten."),
    "review_not_editable": Known(422, "The data of this review can't be edited."),
    "review_data_invalid": Known(
        422,
        "The data don't fit the block's inputs.",
        {"problems": [{"field": "url", "problem": "Field required"}]},
    ),
    "unknown_tools": Known(422, "There are no such tools.", {"tools": ["web_fech"]}),
    "unknown_blocks": Known(422, "There are no such blocks.", {"blocks": ["HTTP reqest"]}),
    "never_fires": Known(
        422, "No such time is to come: give a later `at` or `ends_at`, such as '2030-01-31T09:00:00Z'."
    ),
    "wrong_kind": Known(422, "This is a schedule of kind message: it has no such field."),
    "credentials_missing": Known(
        409,
        "Nothing was run: connect webhook_signing first.",
        {"missing": ["webhook_signing"], "connect_links": {"webhook_signing": "/#connect=webhook_signing"}},
    ),
    "request_id_used": Known(
        409,
        "This request_id was used within a day for another run or schedule.",
        {"run_id": "01K0G2ZQ5C8T9V3M7R4X6W1B2A"},
    ),
    "invalid_webhook_url": Known(
        422, "Give an https address on the public internet, such as https://hooks.example.com/runs."
    ),
    "invalid_inputs": Known(
        422,
        "The inputs don't fit the agent; give what it asks for.",
        {"unknown": ["rivers"], "missing": ["river"], "problems": []},
    ),
    "invalid_agent": Known(
        422,
        "The agent can't run: The block does not exist.",
        {"problems": [{"code": "unknown_block", "node_id": "n1", "message": "The block does not exist."}]},
    ),
    "not_schedulable": Known(422, "The agent is started by requests from outside, not on a schedule."),
    "UNKNOWN_PROVIDER": Known(422, "There is no such provider.", {"known": ["http_bearer"]}),
    "guest_token_invalid": Known(422, "The guest token is not valid."),
    "rate_limited": Known(
        429,
        "No more than 30 in 60 s are allowed. Try again in 12 s.",
        {"limit": 30, "window_seconds": 60, "retry_after_seconds": 12},
    ),
    "TOO_MANY_AGENTS": Known(429, "A library holds 1000 agents; delete some first.", {"limit": 1_000}),
    "TOO_MANY_PUBLISHED": Known(429, "A user may publish 100 agents.", {"limit": 100}),
    "too_many_turns": Known(
        429,
        "No more than 15 turns may be running or queued at once. Wait for one to end, or stop one.",
        {"limit": 15},
    ),
    "daily_budget": Known(
        429,
        "The budget of today is used up.",
        {"resets_at": "2025-07-19T00:00:00.000Z", "retry_after_seconds": 46_740, "percent_used": 100.0},
    ),
    "weekly_budget": Known(
        429,
        "The budget of this week is used up.",
        {"resets_at": "2025-07-21T00:00:00.000Z", "retry_after_seconds": 219_540, "percent_used": 100.0},
    ),
    "too_many_schedules": Known(429, "You have 100 schedules; delete one first.", {"limit": 100}),
    "TOO_MANY_CREDENTIALS": Known(429, "50 accounts are connected already; delete one first.", {"limit": 50}),
    "too_many_pending": Known(429, "10 messages already wait for this turn."),
    "internal_error": Known(500, "Something went wrong on our side."),
    "misconfigured": Known(500, "The deployment is not configured."),
    "review_busy": Known(503, "The review changes too fast."),
    "session_busy": Known(503, "The session is too busy right now; send the message again."),
    "CREDENTIALS_NOT_CONFIGURED": Known(503, "This deployment keeps no credentials."),
    "encryption_unavailable": Known(503, "KMS did not answer."),
    "completions_not_configured": Known(503, "Completions are not configured."),
    "schedule_busy": Known(503, "The schedule is being changed by others; try again."),
    "task_busy": Known(503, "The operation changes too fast; send it again."),
    "storage_unavailable": Known(503, "DynamoDB refused: ProvisionedThroughputExceededException"),
    "storage_conflict": Known(503, "Too many writers at once; try again."),
}

OF_EVERY_ROUTE = ("internal_error", "storage_unavailable", "storage_conflict")
OF_SIGNED_IN_ROUTES = (
    "token_missing",
    "token_expired",
    "token_invalid",
    "token_key_unknown",
    "keys_unavailable",
    "guests_disabled",
    "misconfigured",
)
OF_BODIES = ("invalid_json", "too_large", "validation_failed")
