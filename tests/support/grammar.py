"""What a stream and a transcript must look like, whoever wrote them: judged without Parley's own code."""

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.chat.transcript import Message

FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "start": ({"messageId"}, set()),
    "start-step": (set(), set()),
    "finish-step": (set(), set()),
    "reset-step": (set(), set()),
    "text-start": ({"id"}, set()),
    "text-delta": ({"id", "delta"}, set()),
    "text-end": ({"id"}, set()),
    "reasoning-start": ({"id"}, set()),
    "reasoning-delta": ({"id", "delta"}, set()),
    "reasoning-end": ({"id"}, set()),
    "tool-input-start": ({"toolCallId", "toolName"}, set()),
    "tool-input-delta": ({"toolCallId", "inputTextDelta"}, set()),
    "tool-input-available": ({"toolCallId", "toolName", "input", "providerExecuted"}, set()),
    "tool-input-error": ({"toolCallId", "toolName", "input", "errorText", "providerExecuted"}, set()),
    "tool-output-available": ({"toolCallId", "output", "providerExecuted"}, set()),
    "tool-output-error": ({"toolCallId", "errorText", "providerExecuted"}, set()),
    "tool-approval-request": ({"approvalId", "toolCallId"}, set()),
    "tool-output-denied": ({"toolCallId"}, set()),
    "error": ({"errorText"}, set()),
    "finish": ({"finishReason"}, set()),
}
REASONS = {"stop", "length", "content-filter", "tool-calls", "error", "other"}


@dataclass
class _Message:
    """What a client's parser has open."""

    in_step: bool = False
    has_steps: bool = True
    blocks: dict[str, str] = field(default_factory=dict)
    seen_blocks: set[str] = field(default_factory=set)
    calls: dict[str, str] = field(default_factory=dict)
    """Call id -> writing, ready, asked, done."""

    def nothing_open(self) -> bool:
        return not self.in_step and not self.blocks and self.calls_settled()

    def calls_settled(self) -> bool:
        return set(self.calls.values()) <= {"done", "asked"}


def check_stream(parts: Sequence[dict[str, Any]], *, ended: bool = True, steps: bool = True) -> None:
    """Refuse what a strict client of the UI message stream would refuse, and a turn that ends twice or not at all.

    An operation's stream has no `steps`.
    """
    assert steps or not any("step" in part["type"] for part in parts)
    state, at_step, failed = _Message(has_steps=steps), _Message(has_steps=steps), False
    for position, part in enumerate(parts):
        where = f"part {position} of {[p['type'] for p in parts]}: {part}"
        json.dumps(part, allow_nan=False, ensure_ascii=False).encode()
        _check_fields(part, where)
        assert (part["type"] == "start") == (position == 0), where
        assert part["type"] != "finish" or position == len(parts) - 1, where
        assert not failed or part["type"] == "finish", where
        failed = part["type"] == "error"
        if part["type"] == "reset-step":
            assert state.in_step, where
            state = copy.deepcopy(at_step)
            continue
        _follow(state, part, where)
        if part["type"] == "start-step":
            at_step = copy.deepcopy(state)
    if ended:
        assert parts, "an ended turn has a stream"
        assert parts[-1]["type"] == "finish", parts[-1]


def _check_fields(part: dict[str, Any], where: str) -> None:
    kind = part["type"]
    if kind.startswith("data-"):
        assert set(part) - {"id"} == {"type", "data"}, where
        assert isinstance(part.get("id", ""), str), where
        return
    assert kind in FIELDS, where
    required, optional = FIELDS[kind]
    assert required <= set(part) - {"type"} <= required | optional, where
    for name, value in part.items():
        if name in {"input", "output"}:
            continue
        assert isinstance(value, bool if name == "providerExecuted" else str), where


def _follow(state: _Message, part: dict[str, Any], where: str) -> None:
    kind = part["type"]
    if kind == "start-step":
        assert not state.in_step, where
        state.in_step = True
    elif kind == "finish-step":
        assert state.in_step, where
        assert not state.blocks, where
        assert state.calls_settled(), where
        state.in_step = False
    elif kind.startswith(("text-", "reasoning-")):
        assert state.in_step, where
        _follow_block(state, part, where)
    elif kind.startswith("tool-"):
        assert state.in_step or not state.has_steps or state.calls.get(part["toolCallId"]) == "asked", where
        _follow_call(state, part, where)
    elif kind == "error":
        assert state.nothing_open(), where
    elif kind == "finish":
        assert part["finishReason"] in REASONS, where
        assert state.nothing_open(), where


def _follow_block(state: _Message, part: dict[str, Any], where: str) -> None:
    kind, event = part["type"].split("-")
    if event == "start":
        assert part["id"] not in state.seen_blocks, where
        state.blocks[part["id"]] = kind
        state.seen_blocks.add(part["id"])
    else:
        assert state.blocks.get(part["id"]) == kind, where
        if event == "end":
            del state.blocks[part["id"]]


def _follow_call(state: _Message, part: dict[str, Any], where: str) -> None:
    call, kind = part["toolCallId"], part["type"]
    states: dict[str, set[str | None]] = {
        "tool-input-start": {None},
        "tool-input-delta": {"writing"},
        "tool-input-available": {None, "writing"},
        "tool-input-error": {None, "writing"},
        "tool-approval-request": {"ready"},
        "tool-output-available": {"ready", "asked"},
        "tool-output-error": {"ready", "asked"},
        "tool-output-denied": {"asked"},
    }
    after = {
        "tool-input-start": "writing",
        "tool-input-delta": "writing",
        "tool-input-available": "ready",
        "tool-approval-request": "asked",
    }
    assert state.calls.get(call) in states[kind], where
    state.calls[call] = after.get(kind, "done")


def check_transcript(rows: Iterable[Message]) -> None:
    """Dense from 0; every call has exactly one result, right behind it, in the order of the calls."""
    rows = list(rows)
    assert [row.seq for row in rows] == list(range(len(rows)))
    due: list[str] = []
    for row in rows:
        if row.role == "tool":
            assert due, f"a result without a call: {row}"
            assert row.tool_call_id == due.pop(0), row
            continue
        assert not due, f"calls without results: {due}"
        due = [call.id for call in row.tool_calls]
        assert len(set(due)) == len(due)
    assert not due, f"calls without results: {due}"


def check_request(messages: Sequence[dict[str, Any]]) -> None:
    """What an OpenAI-compatible provider accepts."""
    assert messages[0]["role"] == "system"
    due: set[str] = set()
    for message in messages[1:]:
        json.dumps(message, allow_nan=False, ensure_ascii=False).encode()
        if message["role"] == "tool":
            due.remove(message["tool_call_id"])
            assert isinstance(message["content"], str)
            continue
        assert not due, f"calls without results: {due}"
        assert message["role"] in {"user", "assistant", "system"}
        assert isinstance(message["content"], str)
        calls = message.get("tool_calls", [])
        assert message["content"] or calls, message
        assert "tool_calls" not in message or calls
        for call in calls:
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
        due = {call["id"] for call in calls}
        assert len(due) == len(calls)
    assert not due, f"calls without results: {due}"
