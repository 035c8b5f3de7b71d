"""The parts of a stream: AI SDK UI Message Stream v1, and nothing else.

Only the types built here are ever emitted; everything of our own is a `data-*` part. Old clients
are strict, so no field is added to a part of theirs.
Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
"""

import json
from typing import Any, Literal

Part = dict[str, Any]
FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "error", "other"]

DELTA_FIELDS = {"text-delta": "delta", "reasoning-delta": "delta", "tool-input-delta": "inputTextDelta"}
"""Parts that may be joined with a neighbour of the same id, and the field that grows."""

VISIBLE = frozenset({"text-delta", "reasoning-delta"})
"""Parts that a reader waits for."""


def encode(value: object) -> str:
    """JSON as it goes on the wire and into a row."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def start(message_id: str) -> Part:
    """Opens the message; in a replay it resets what the client has."""
    return {"type": "start", "messageId": message_id}


def start_step() -> Part:
    """A model call begins."""
    return {"type": "start-step"}


def finish_step() -> Part:
    """A model call and its tools are over."""
    return {"type": "finish-step"}


def reset_step() -> Part:
    """Withdraws everything since the last `start-step`."""
    return {"type": "reset-step"}


def finish(reason: FinishReason) -> Part:
    """Always the last part."""
    return {"type": "finish", "finishReason": reason}


def error(text: str) -> Part:
    """Why the turn failed."""
    return {"type": "error", "errorText": text}


def block(kind: Literal["text", "reasoning"], event: Literal["start", "end"], block_id: str) -> Part:
    """Opens or closes a text or reasoning block."""
    return {"type": f"{kind}-{event}", "id": block_id}


def delta(kind: Literal["text", "reasoning"], block_id: str, text: str) -> Part:
    """More text of an open block."""
    return {"type": f"{kind}-delta", "id": block_id, "delta": text}


def tool_input_start(call_id: str, name: str) -> Part:
    """The model begins to write a call's arguments."""
    return {"type": "tool-input-start", "toolCallId": call_id, "toolName": name}


def tool_input_delta(call_id: str, text: str) -> Part:
    """More of the arguments, as raw JSON text."""
    return {"type": "tool-input-delta", "toolCallId": call_id, "inputTextDelta": text}


def tool_input_available(call_id: str, name: str, arguments: object) -> Part:
    """The arguments are complete. `providerExecuted` keeps clients from running the tool themselves."""
    return {
        "type": "tool-input-available",
        "toolCallId": call_id,
        "toolName": name,
        "input": arguments,
        "providerExecuted": True,
    }


def tool_input_error(call_id: str, name: str, arguments: object, text: str) -> Part:
    """The arguments can't be used, or were never finished."""
    return {
        "type": "tool-input-error",
        "toolCallId": call_id,
        "toolName": name,
        "input": arguments,
        "errorText": text,
        "providerExecuted": True,
    }


def tool_output(call_id: str, output: object) -> Part:
    """A call's result."""
    return {"type": "tool-output-available", "toolCallId": call_id, "output": output, "providerExecuted": True}


def tool_output_error(call_id: str, text: str) -> Part:
    """A call failed or was stopped."""
    return {"type": "tool-output-error", "toolCallId": call_id, "errorText": text, "providerExecuted": True}


def tool_approval_request(approval_id: str, call_id: str) -> Part:
    """The call is made when the user approves it; the stream ends first."""
    return {"type": "tool-approval-request", "approvalId": approval_id, "toolCallId": call_id}


def tool_output_denied(call_id: str) -> Part:
    """The user did not approve the call."""
    return {"type": "tool-output-denied", "toolCallId": call_id}


def data(name: str, value: object, part_id: str = "") -> Part:
    """A part of our own; clients replace an earlier one of the same `part_id`."""
    return {"type": f"data-{name}", **({"id": part_id} if part_id else {}), "data": value}


def delta_key(part: Part) -> tuple[str, str] | None:
    """What a delta may be joined with: parts of equal key, neighbours only; None for other parts."""
    if part["type"] not in DELTA_FIELDS:
        return None
    return part["type"], part.get("id") or part["toolCallId"]


def join(first: Part, second: Part) -> Part:
    """One delta that says what two neighbours of the same key say."""
    field = DELTA_FIELDS[first["type"]]
    return {**first, field: first[field] + second[field]}
