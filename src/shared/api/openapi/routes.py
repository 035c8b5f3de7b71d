"""What each route takes and answers, with examples. `ROUTES` has an entry for every route, and a test says so.

To describe a new route: add its entry here, a model of its answer to `answers.py`, and codes that are
new to `problems.py`.
"""

from shared.accounts.credentials.new_credentials import (
    NewApiKey,
    NewBasic,
    NewBearerToken,
    NewSigningSecret,
    RenameCredential,
)
from shared.api.accounts import ProfileBody
from shared.api.openapi import answers, examples
from shared.api.openapi.agent_routes import AGENT_ROUTES
from shared.api.openapi.problems import OF_BODIES
from shared.api.openapi.route import Answer, Body, Route
from shared.api.openapi.run_routes import RUN_ROUTES
from shared.api.openapi.schedule_routes import SCHEDULE_ROUTES
from shared.api.operations import Completion
from shared.api.reviews import ReviewApproval, ReviewRejection
from shared.chat.answer_requests import ApprovalAnswer
from shared.chat.requests import ClaimSession, NewSession, OwnSend, PendingSend, RenameSession, RunSend, TransportSend

_SEND = Body(
    (OwnSend, TransportSend),
    {"own": examples.OWN_SEND, "official client": examples.TRANSPORT_SEND, "answer": examples.ANSWERS},
)
_OF_ANSWERS = ("APPROVAL_NOT_FOUND", "approval_closed", "approval_expired", "turn_running", "session_busy")

_OF_VERDICTS = ("REVIEW_NOT_FOUND", "review_decided", "review_expired", "review_closed", "review_busy", *OF_BODIES)

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/health"): Route({200: Answer("It works.", answers.Health, examples.HEALTH)}, signed_in=False),
    ("POST", "/api/ws-ticket"): Route({200: Answer("The ticket.", answers.Ticket, examples.TICKET)}),
    ("POST", "/api/chat/guest-token"): Route(
        {200: Answer("The guest.", answers.Guest, examples.GUEST)},
        ("guests_disabled", "rate_limited", "misconfigured"),
        signed_in=False,
        other_status={"guests_disabled": 404},
    ),
    ("PATCH", "/api/chat/sessions/{session_id}/assign-user"): Route(
        {200: Answer("The session, which is the caller's now.", answers.SessionHead, examples.SESSION)},
        ("login_required", "SESSION_NOT_FOUND", "guest_token_invalid", "session_busy", *OF_BODIES),
        Body((ClaimSession,), {"claim": {"guest_token": examples.GUEST["token"]}}),
    ),
    ("GET", "/api/profile"): Route(
        {200: Answer("The profile.", answers.ShownProfile, examples.PROFILE)}, ("login_required",)
    ),
    ("PUT", "/api/profile"): Route(
        {200: Answer("The profile as it is now.", answers.ShownProfile, examples.PROFILE)},
        ("login_required", *OF_BODIES),
        Body((ProfileBody,), {"whole": examples.NEW_PROFILE}),
    ),
    ("GET", "/api/usage"): Route({200: Answer("What is used, and what there is.", answers.ShownUsage, examples.USAGE)}),
    ("GET", "/api/credentials"): Route(
        {200: Answer("The accounts, and the providers.", answers.CredentialList, examples.CREDENTIALS)},
        ("login_required", "CREDENTIALS_NOT_CONFIGURED"),
    ),
    ("POST", "/api/credentials"): Route(
        {201: Answer("The account.", answers.ShownCredential, examples.CREDENTIAL)},
        (
            "login_required",
            "CREDENTIALS_NOT_CONFIGURED",
            "TOO_MANY_CREDENTIALS",
            "encryption_unavailable",
            *OF_BODIES,
        ),
        Body((NewBearerToken, NewApiKey, NewBasic, NewSigningSecret), examples.NEW_CREDENTIALS),
    ),
    ("PATCH", "/api/credentials/{credential_id}"): Route(
        {200: Answer("The account with its new title.", answers.ShownCredential, examples.CREDENTIAL)},
        ("login_required", "CREDENTIALS_NOT_CONFIGURED", "CREDENTIAL_NOT_FOUND", *OF_BODIES),
        Body((RenameCredential,), {"title": {"title": "Rivers, read only"}}),
    ),
    ("DELETE", "/api/credentials/{credential_id}"): Route(
        {204: Answer("It is forgotten.")},
        ("login_required", "CREDENTIALS_NOT_CONFIGURED", "CREDENTIAL_NOT_FOUND"),
    ),
    ("GET", "/api/credentials/oauth/{provider}/start"): Route(
        {200: Answer("Where to go.", answers.SignInStart, examples.SIGN_IN)},
        ("login_required", "CREDENTIALS_NOT_CONFIGURED", "UNKNOWN_PROVIDER"),
    ),
    ("GET", "/api/credentials/oauth/callback"): Route(
        {303: Answer("On to the console: `#connected={provider}` or `#connect_error={code}`.")},
        ("CREDENTIALS_NOT_CONFIGURED", "validation_failed"),
        signed_in=False,
    ),
    ("GET", "/api/blocks"): Route(
        {200: Answer("The blocks.", answers.ShownBlocks, examples.BLOCKS)}, ("validation_failed",)
    ),
    ("GET", "/api/reviews"): Route(
        {200: Answer("A page.", answers.ReviewPage, examples.REVIEWS)}, ("validation_failed", "invalid_cursor")
    ),
    ("GET", "/api/reviews/{review_id}"): Route(
        {200: Answer("The review.", answers.ShownReview, examples.REVIEW)}, ("REVIEW_NOT_FOUND",)
    ),
    ("POST", "/api/reviews/{review_id}/approve"): Route(
        {200: Answer("It is approved.", answers.ShownReview, examples.REVIEW_APPROVED)},
        ("review_not_editable", "review_data_invalid", "review_too_large", *_OF_VERDICTS),
        Body(
            (ReviewApproval,),
            {"as it is": {}, "edited": {"data": examples.REVIEW["payload"], "message": "Go."}},
            required=False,
        ),
    ),
    ("POST", "/api/reviews/{review_id}/reject"): Route(
        {200: Answer("It is rejected.", answers.ShownReview, examples.REVIEW_REJECTED)},
        _OF_VERDICTS,
        Body((ReviewRejection,), {"with a reason": {"message": "Not today."}, "without": {}}, required=False),
    ),
    ("POST", "/api/chat/sessions"): Route(
        {201: Answer("The session.", answers.SessionHead, examples.SESSION)},
        ("unknown_tools", "unknown_blocks", *OF_BODIES),
        Body(
            (NewSession,),
            {
                "titled": {"title": "Rivers"},
                "untitled": {},
                "restricted": {
                    "permissions": {"tools": ["web_fetch"], "tools_exclude": False, "needs_approval": ["web_fetch"]},
                    "dry_run": True,
                },
            },
            required=False,
        ),
    ),
    ("GET", "/api/chat/sessions"): Route(
        {200: Answer("A page.", answers.SessionList, examples.SESSIONS)},
        ("SESSION_NOT_FOUND", "validation_failed", "invalid_cursor"),
    ),
    ("GET", "/api/chat/sessions/{session_id}"): Route(
        {200: Answer("The session.", answers.SessionPage, examples.SESSION_PAGE)},
        ("SESSION_NOT_FOUND", "validation_failed"),
    ),
    ("PATCH", "/api/chat/sessions/{session_id}"): Route(
        {200: Answer("The session with its new title.", answers.SessionHead, examples.SESSION)},
        ("SESSION_NOT_FOUND", *OF_BODIES),
        Body((RenameSession,), {"title": {"title": "Rivers"}}),
    ),
    ("DELETE", "/api/chat/sessions/{session_id}"): Route(
        {204: Answer("It is deleted, and its turn has ended.")}, ("SESSION_NOT_FOUND", "session_busy")
    ),
    ("POST", "/api/chat/sessions/{session_id}/stream"): Route(
        {
            200: Answer(
                "The first segment: all parts that come within 20 s. It ends with `[DONE]` only if the turn does.",
                events={"whole turn": examples.TURN, "a turn runs already": examples.PENDING_STREAM},
            ),
            202: Answer("To `Accept: application/json`.", answers.SendAccepted, examples.SEND_ACCEPTED),
        },
        (
            "SESSION_NOT_FOUND",
            "TASK_NOT_FOUND",
            "too_many_pending",
            "too_many_turns",
            "rate_limited",
            "daily_budget",
            "weekly_budget",
            "unsupported_trigger",
            *_OF_ANSWERS,
            *OF_BODIES,
        ),
        _SEND,
    ),
    ("GET", "/api/chat/sessions/{session_id}/approvals"): Route(
        {200: Answer("What is asked.", answers.ApprovalList, examples.APPROVALS)}, ("SESSION_NOT_FOUND",)
    ),
    ("POST", "/api/chat/approvals/{approval_id}"): Route(
        {200: Answer("The answer counts.", answers.AnswerGiven, examples.ANSWER_GIVEN)},
        ("TASK_NOT_FOUND", "approval_answered", *_OF_ANSWERS, *OF_BODIES),
        Body((ApprovalAnswer,), {"approve": {"approved": True}, "deny": {"approved": False, "reason": "Not today."}}),
    ),
    ("POST", "/api/chat/sessions/{session_id}/run"): Route(
        {
            200: Answer(
                "As soon as the turn has ended, or as it is after `wait_seconds`.",
                answers.RunAnswer,
                examples.RUN_ANSWER,
            )
        },
        ("SESSION_NOT_FOUND", "TASK_NOT_FOUND", "too_many_pending", "rate_limited", "session_busy", *OF_BODIES),
        Body((RunSend,), {"own": examples.OWN_RUN}),
    ),
    ("GET", "/api/chat/sessions/{session_id}/stream"): Route(
        {
            200: Answer(
                "The turn from its start, joined. If it still runs after 25 s, the error part `still_running` is last.",
                events={"whole turn": examples.JOINED_TURN, "still running": examples.STILL_RUNNING},
            ),
            204: Answer("There is nothing to resume."),
        },
        ("SESSION_NOT_FOUND", "validation_failed"),
    ),
    ("GET", "/api/chat/tasks/{task_id}"): Route(
        {200: Answer("The task.", answers.ShownTask, examples.TASK)}, ("TASK_NOT_FOUND",)
    ),
    ("GET", "/api/chat/tasks/{task_id}/stream"): Route(
        {
            200: Answer(
                "The stored parts behind the cursor: at once when there are some, else what comes within 20 s. "
                "`[DONE]` follows only `finish`.",
                events={"from the start": examples.TURN, "nothing yet": examples.NOTHING_YET},
            )
        },
        ("TASK_NOT_FOUND", "TASK_EXPIRED", "cursor_beyond_head", "invalid_cursor", "validation_failed"),
    ),
    ("GET", "/api/chat/schema/tool-responses"): Route(
        {
            200: Answer(
                "A JSON Schema (2020-12), whose `oneOf` is told apart by `type`.",
                schema={"type": "object", "required": ["oneOf", "discriminator", "$defs"]},
                example=examples.TOOL_RESPONSES,
            )
        }
    ),
    ("POST", "/api/chat/sessions/{session_id}/messages/pending"): Route(
        {202: Answer("It waits.", answers.PendingAccepted, examples.PENDING_ACCEPTED)},
        (
            "SESSION_NOT_FOUND",
            "TASK_NOT_FOUND",
            "no_active_task",
            "too_many_pending",
            "too_many_turns",
            "rate_limited",
            "daily_budget",
            "weekly_budget",
            "session_busy",
            *OF_BODIES,
        ),
        Body((PendingSend,), {"own": examples.OWN_PENDING}),
    ),
    ("GET", "/api/chat/sessions/{session_id}/messages/pending"): Route(
        {200: Answer("What waits.", answers.PendingList, examples.PENDING)}, ("SESSION_NOT_FOUND",)
    ),
    ("POST", "/api/chat/operations/{operation_id}/complete"): Route(
        {200: Answer("Taken, now or before.", answers.Completed, examples.COMPLETED)},
        (
            "completions_not_configured",
            "api_key_invalid",
            "signature_expired",
            "OPERATION_NOT_FOUND",
            "task_busy",
            *OF_BODIES,
        ),
        Body((Completion,), {"success": examples.SUCCESS, "failure": examples.FAILURE}),
        signed_in=False,
        has_key=True,
    ),
    ("POST", "/api/chat/operations/{operation_id}/cancel"): Route(
        {200: Answer("The stop is on its way.", answers.OperationCancelled, examples.OPERATION_CANCELLED)},
        ("OPERATION_NOT_FOUND", "TASK_NOT_FOUND", "task_busy"),
    ),
    ("POST", "/api/chat/sessions/{session_id}/cancel"): Route(
        {200: Answer("The turn has ended.", answers.CancelAnswer, examples.CANCELLED)}, ("SESSION_NOT_FOUND",)
    ),
    **AGENT_ROUTES,
    **RUN_ROUTES,
    **SCHEDULE_ROUTES,
}
