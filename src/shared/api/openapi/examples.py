"""Examples for the description; a test holds each of them to its schema."""

from typing import Any

from shared.stream import parts as wire
from shared.stream.replay import replay
from shared.stream.sse import segment

SESSION_ID = "01K0XQ4T1VJ6M3B8YH2Z5D7NRE"
TASK_ID = "01K0XQ52C9W4F6T8GJQ1A3ME7S"
OPERATION_TASK_ID = "5f0d8c1b7a3e49d2b6c4e8f1a2030405"
OPERATION_ID = f"op_{OPERATION_TASK_ID}"
REVIEW_ID = "copilot-node-390ab99e-2fbd-4653-b8e0-a031b64d2281:8b1f0c3d"
APPROVAL_ID = f"{SESSION_ID}_01K0XQ5D3N8V2B7CZ4R6PWKT1H"
SCHEDULE_ID = "01K0XQ7M2PD4R8C5TBW9FJ3HNA"
LIBRARY_AGENT_ID = "01K0XQ7X8E1N6V3ZQ5GKM2YTSB"
GRAPH_ID = "6Q1J8T4ZB3W5M7XHR2K9VDYE0C"
CREDENTIAL_ID = "01K0XQ4T1VJ6M3B8YH2Z5D7NRF"
PARAMETERS: dict[str, Any] = {
    "run_id": "01K0XS3D5F7H9K2M4P6R8T0V2X",
    "statuses": ["completed", "failed"],
    "operation_id": OPERATION_ID,
    "credential_id": CREDENTIAL_ID,
    "provider": "rivers",
    "state": "pZ1n0J8wT4cV6kQ2rX5yB7mD9sF3gH1jL0aE8uI6oP4",
    "code": "SplxlOBeZQQYbYS6WxSbIA",
    "expires": "1752922800",
    "signature": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "category": "data",
    "agent_id": "01K0XR8M4C2N6V9B3H7J5QTWZE",
    "include_graph": False,
    "query": "tide table",
    "slug": "tide-table",
    "username": "ada",
    "session_id": SESSION_ID,
    "task_id": TASK_ID,
    "approval_id": APPROVAL_ID,
    "review_id": REVIEW_ID,
    "status": "pending",
    "schedule_id": SCHEDULE_ID,
    "library_agent_id": LIBRARY_AGENT_ID,
    "graph_id": GRAPH_ID,
    "limit": 50,
    "cursor": "WyIxNzUyODM2NDAwMDAwIzAxSzBYUTRUMVZKNk0zQjhZSDJaNUQ3TlJFIl0=",
    "search": "rivers",
    "before_sequence": 120,
    "parent_session": SESSION_ID,
    "startIndex": 0,
    "last_message_id": "0-0",
    "last-event-id": "6",
    "accept": "application/json",
    "compat": "6",
}

CREATED, _LATER = "2025-07-18T11:00:00.000Z", "2025-07-18T11:00:04.250Z"

HEALTH = {"status": "ok"}
TICKET = {
    "ticket": "eYvE1c5n1l4gqHkz0wzZ2o1mN9aB3cD4eF5gH6iJ7kL",
    "url": "wss://abcdef1234.execute-api.eu-central-1.amazonaws.com/prod",
    "expires_in": 30,
}
SUCCESS = {"success": True, "result": {"rows": 42}, "error": None}
FAILURE = {"success": False, "result": None, "error": "The warehouse is closed."}
COMPLETED = {"status": "ok", "task_id": OPERATION_TASK_ID}
OPERATION_CANCELLED = {"cancelled": True, "task_id": OPERATION_TASK_ID}
GUEST = {
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJndWVzdDowMUowWFE0VDEifQ.c2lnbmF0dXJl",
    "user_id": "guest:01K0XQ4T1VJ6M3B8YH2Z5D7NRE",
    "expires_in": 2_592_000,
}
NEW_PROFILE = {
    "name": "Ada",
    "timezone": "Europe/London",
    "instructions": "Answer briefly.",
    "understanding": {"job": "analyst"},
}
PROFILE = {**NEW_PROFILE, "updated_at": _LATER}
USAGE = {
    "daily": {
        "percent_used": 42.0,
        "resets_at": "2025-07-19T00:00:00.000Z",
        "tokens": {"used": 310_400, "reserved": 0, "limit": None},
        "usd": {"used": 0.42, "reserved": 0.0, "limit": 1.0},
    },
    "weekly": {
        "percent_used": None,
        "resets_at": "2025-07-21T00:00:00.000Z",
        "tokens": {"used": 1_204_000, "reserved": 0, "limit": None},
        "usd": {"used": 1.61, "reserved": 0.0, "limit": None},
    },
    "credits": 120,
}
SESSION = {
    "id": SESSION_ID,
    "title": "Rivers",
    "created_at": CREATED,
    "updated_at": CREATED,
    "is_processing": False,
    "parent_session": None,
}
SESSIONS = {"sessions": [SESSION], "next_cursor": None}

_CALL = {"id": "call_1", "name": "web_fetch", "arguments": '{"url":"https://example.com/"}'}
_PAGE = (
    '{"type":"web_page","message":"","url":"https://example.com/","status_code":200,"content_type":"text/html",'
    '"title":"Example Domain","content":"Example Domain","truncated":false}'
)


def _row(sequence: int, role: str, content: str, **fields: Any) -> dict[str, Any]:
    absent = ("reasoning", "tool_calls", "tool_call_id", "tool_name", "status", "error", "schedule_id")
    return {
        "id": f"{TASK_ID}-{sequence}",
        "role": role,
        "content": content,
        **dict.fromkeys(absent),
        "is_error": False,
        "sequence": sequence,
        "task_id": TASK_ID,
        "created_at": _LATER,
        **fields,
    }


SESSION_PAGE = {
    **SESSION,
    "messages": [
        _row(0, "user", "What does example.com say?", id="m1"),
        _row(1, "assistant", "", tool_calls=[_CALL]),
        _row(2, "tool", _PAGE, tool_call_id="call_1", tool_name="web_fetch"),
        _row(3, "assistant", "It is an example domain."),
    ],
    "has_more_messages": False,
    "oldest_sequence": 0,
    "active_stream": None,
    "totals": {"steps": 2, "tool_calls": 1, "prompt_tokens": 310, "completion_tokens": 42, "cost_micros": 95},
}

OWN_SEND = {
    "message": "What does this page say about rivers?",
    "message_id": "m1",
    "context": {"url": "https://example.com/rivers", "content": "Rivers of the north ..."},
    "policy": "enqueue",
}
TRANSPORT_SEND = {
    "id": SESSION_ID,
    "trigger": "submit-message",
    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Tell me about rivers."}]}],
}
ANSWERS = {
    "id": SESSION_ID,
    "trigger": "submit-message",
    "messageId": f"msg_{TASK_ID}",
    "messages": [
        {
            "id": f"msg_{TASK_ID}",
            "role": "assistant",
            "parts": [
                {
                    "type": "tool-run_mcp_tool",
                    "toolCallId": "call_1",
                    "state": "approval-responded",
                    "input": {"server_url": "https://mcp.example.com/mcp"},
                    "approval": {"id": APPROVAL_ID, "approved": True},
                }
            ],
        }
    ],
}
APPROVAL = {
    "approval_id": APPROVAL_ID,
    "session_id": SESSION_ID,
    "task_id": TASK_ID,
    "tool_call_id": "call_1",
    "tool_name": "run_mcp_tool",
    "arguments": '{"server_url":"https://mcp.example.com/mcp"}',
    "status": "open",
    "reason": None,
    "created_at": _LATER,
    "expires_at": "2025-08-17T11:00:04.250Z",
}
APPROVALS = {"approvals": [APPROVAL]}
ANSWER_GIVEN = {
    "approval_id": APPROVAL_ID,
    "session_id": SESSION_ID,
    "approved": True,
    "status": "started",
    "task_id": "01K0XQ6A0T5J9E2GMX7HSVD4QB",
}
REVIEW_HEAD: dict[str, Any] = {
    "review_id": REVIEW_ID,
    "status": "pending",
    "name": "Send webhook",
    "block_id": "390ab99e-2fbd-4653-b8e0-a031b64d2281",
    "block_name": "Send webhook",
    "editable": True,
    "run_id": None,
    "session_id": SESSION_ID,
    "created_at": _LATER,
    "expires_at": "2025-08-17T11:00:04.250Z",
    "decided_at": None,
}
REVIEWS = {"reviews": [REVIEW_HEAD], "next_cursor": None}
REVIEW: dict[str, Any] = {
    **REVIEW_HEAD,
    "instructions": "",
    "payload": {"url": "https://hooks.example.com/done", "payload": {"done": True}},
    "data": None,
    "message": None,
}
REVIEW_APPROVED = {**REVIEW, "status": "approved", "decided_at": "2025-07-18T11:03:00.000Z", "message": "Go."}
REVIEW_REJECTED = {**REVIEW, "status": "rejected", "decided_at": "2025-07-18T11:03:00.000Z", "message": "Not today."}
SEND_ACCEPTED = {"task_id": TASK_ID, "session_id": SESSION_ID, "status": "queued"}
OWN_RUN = {"message": "Tell me about rivers.", "message_id": "m1", "wait_seconds": 20}
RUN_ANSWER: dict[str, Any] = {
    "status": "completed",
    "session_id": SESSION_ID,
    "task_id": TASK_ID,
    "response": "A river flows.",
    "error": None,
    "tool_calls": [],
    "usage": {"prompt_tokens": 310, "completion_tokens": 42, "total_tokens": 352},
}
OWN_PENDING = {"message": "And about lakes.", "message_id": "m2"}
PENDING_ACCEPTED = {"task_id": TASK_ID, "session_id": SESSION_ID, "status": "pending"}
PENDING = {
    "messages": [{"message_id": "m2", "content": "And about lakes.", "created_at": _LATER}],
    "count": 1,
    "max": 10,
}
TASK = {
    "task_id": TASK_ID,
    "session_id": SESSION_ID,
    "kind": "turn",
    "status": "failed",
    "tool_name": None,
    "operation_id": None,
    "created_at": CREATED,
    "ended_at": _LATER,
    "error": {"code": "model_refused", "message": "The model's server refused the request (400)."},
}
CANCELLED = {"cancelled": True, "task_id": TASK_ID, "reason": "cancelled"}

_TURN = [
    wire.start(TASK_ID),
    wire.start_step(),
    wire.block("text", "start", "text-0-0"),
    wire.delta("text", "text-0-0", "A river "),
    wire.delta("text", "text-0-0", "flows."),
    wire.block("text", "end", "text-0-0"),
    wire.finish_step(),
    wire.finish("stop"),
]
TURN = segment(_TURN, 0, done=True)
JOINED_TURN = segment(replay(_TURN), done=True)
STILL_RUNNING = segment([*replay(_TURN[:4]), wire.error("still_running")], done=False)
NOTHING_YET = segment([], 0, done=False)
PENDING_STREAM = segment(
    [wire.data("pending", {"message_id": "m2", "task_id": TASK_ID}), wire.finish("other")], done=True
)

TOOL_RESPONSES = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Tool responses",
    "oneOf": [{"$ref": "#/$defs/ErrorResponse"}],
    "discriminator": {"propertyName": "type", "mapping": {"error": "#/$defs/ErrorResponse"}},
    "x-tools": {"web_fetch": ["web_page"]},
    "$defs": {
        "ErrorResponse": {
            "type": "object",
            "properties": {"type": {"const": "error"}, "message": {"type": "string"}, "code": {"type": "string"}},
            "required": ["type", "message", "code"],
        }
    },
}

BLOCKS = {
    "blocks": [
        {
            "id": "a700e4bc-2f12-4d88-906b-0024010db8ee",
            "name": "JSON query",
            "description": "Take parts out of a JSON value, filter, sort and reshape it with a JMESPath query.",
            "category": "data",
            "price_credits": 0,
            "side_effect": False,
            "needs_review": False,
            "credentials": [],
            "is_loop": False,
            "in_chat": True,
            "input_schema": {"type": "object", "properties": {"query": {"type": "string"}, "document": {}}},
            "output_schema": {"type": "object", "properties": {"result": {}}},
            "examples": [{"inputs": {"query": "a.b", "document": {}}, "outputs": {"result": [None]}}],
        }
    ],
    "categories": ["agent", "text", "data", "logic", "model", "web", "files", "time"],
}

CREDENTIAL: dict[str, Any] = {
    "id": CREDENTIAL_ID,
    "provider": "http_bearer",
    "kind": "bearer",
    "title": "Rivers, read only",
    "hosts": ["api.example.com"],
    "scopes": [],
    "status": "ready",
    "created_at": "2025-07-18T10:40:00.000Z",
    "last_used_on": "2025-07-18",
    "token_expires_at": None,
}
CREDENTIALS: dict[str, Any] = {
    "credentials": [CREDENTIAL],
    "providers": [
        {"name": "http_bearer", "title": "Bearer token", "kind": "bearer", "hosts": [], "scopes": []},
        {
            "name": "rivers",
            "title": "Rivers",
            "kind": "oauth2",
            "hosts": ["rivers.example.com"],
            "scopes": ["read"],
        },
    ],
}
NEW_CREDENTIALS: dict[str, Any] = {
    "bearer token": {"provider": "http_bearer", "token": "t0ken-of-yours", "hosts": ["api.example.com"]},
    "API key": {
        "provider": "http_api_key",
        "key": "k3y-of-yours",
        "header_name": "X-API-Key",
        "hosts": ["api.example.com"],
        "title": "Rivers",
    },
    "name and password": {
        "provider": "http_basic",
        "username": "ada",
        "password": "pa55-of-yours",
        "hosts": ["api.example.com"],
    },
    "webhook secret": {
        "provider": "webhook_signing",
        "key": "whsec_QUJDREVGR0hJSktMTU5PUFFSU1Q=",
        "hosts": ["hooks.example.com"],
    },
}
SIGN_IN: dict[str, Any] = {
    "url": "https://login.example.com/authorize?response_type=code&client_id=parley&state=pZ1n0J8wT4cV"
}
