"""The rows of a conversation. They are the checkpoint of a turn: everything is rebuilt from them.

Rows are dense from 0. A step with n tool calls owns the n seqs behind its assistant row, one for
each call in the order of the calls, so a result always knows its place, whichever comes first.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.aws.database import Database
from shared.aws.writes import Delete, Item, Put
from shared.kernel.clock import iso
from shared.stream.parts import encode
from shared.tasks.records import Task

RECORD_VERSION = 1
Role = Literal["user", "assistant", "tool", "system"]
RAISE_BUDGET = "raise_budget"
"""The tool name under which clients show the question whether a turn may spend more; the model never sees it."""


@dataclass(frozen=True)
class ToolCall:
    """A call as the model asked for it; `arguments` is the raw JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Compaction:
    """What the model is given from then on in place of the rows before `kept_from` (see `compaction`)."""

    summary: str
    kept_from: int
    """The first row that stands for itself."""
    cut_to: int = 0
    """Characters that are left of each text in the kept rows before it; 0: all of them."""


@dataclass(frozen=True)
class Message:
    """One row."""

    seq: int
    role: Role
    content: str
    task_id: str
    created_at: int
    id: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    is_error: bool = False
    status: str = ""
    """How the turn ended, on its last assistant row, unless it completed."""
    error: str = ""
    """Why it failed, for people."""
    context: str = ""
    """What the client sent along for the model to know; never shown as the user's words."""
    tokens: int = 0
    """On an assistant row: what its call took, prompt and answer, by the provider's count; 0: it didn't count."""
    compaction: Compaction | None = None
    """On the assistant row of a compaction. It is for the model alone."""
    approval: str = ""
    """On a tool row that keeps a call's place until the user has answered: which request."""
    schedule_id: str = ""
    """On a user row: the schedule that has sent it."""

    def to_item(self, session_id: str) -> Item:
        """The stored form; empty fields are left out."""
        item: Item = {
            "pk": f"SESSION#{session_id}",
            "sk": message_sort_key(self.seq),
            "v": RECORD_VERSION,
            "role": self.role,
            "content": self.content,
            "task_id": self.task_id,
            "created_at": self.created_at,
        }
        optional: dict[str, Any] = {
            "id": self.id,
            "reasoning": self.reasoning,
            "tool_call_id": self.tool_call_id,
            "tool_name": self.tool_name,
            "is_error": self.is_error,
            "status": self.status,
            "error": self.error,
            "context": self.context,
            "tokens": self.tokens,
            "compaction": vars(self.compaction) if self.compaction else None,
            "approval": self.approval,
            "schedule_id": self.schedule_id,
        }
        if self.tool_calls:
            optional["tool_calls"] = encode([vars(call) for call in self.tool_calls])
        return item | {key: value for key, value in optional.items() if value}

    @classmethod
    def from_item(cls, item: Item) -> "Message":
        """The row from its stored form."""
        calls = json.loads(item.get("tool_calls", "[]"))
        compaction = item.get("compaction")
        return cls(
            seq=int(item["sk"].removeprefix("MSG#")),
            role=item["role"],
            content=item["content"],
            task_id=item["task_id"],
            created_at=item["created_at"],
            id=item.get("id", ""),
            reasoning=item.get("reasoning", ""),
            tool_calls=tuple(ToolCall(**call) for call in calls),
            tool_call_id=item.get("tool_call_id", ""),
            tool_name=item.get("tool_name", ""),
            is_error=item.get("is_error", False),
            status=item.get("status", ""),
            error=item.get("error", ""),
            context=item.get("context", ""),
            tokens=item.get("tokens", 0),
            compaction=Compaction(**compaction) if compaction else None,
            approval=item.get("approval", ""),
            schedule_id=item.get("schedule_id", ""),
        )

    def public(self) -> dict[str, Any]:
        """What the API shows."""
        return {
            "id": self.id or f"{self.task_id}-{self.seq}",
            "role": self.role,
            "content": self.content,
            "reasoning": self.reasoning or None,
            "tool_calls": [vars(call) for call in self.tool_calls] or None,
            "tool_call_id": self.tool_call_id or None,
            "tool_name": self.tool_name or None,
            "is_error": self.is_error,
            "sequence": self.seq,
            "task_id": self.task_id,
            "status": self.status or None,
            "error": self.error or None,
            "schedule_id": self.schedule_id or None,
            "created_at": iso(self.created_at),
        }


def message_sort_key(seq: int) -> str:
    """Sorts like the number."""
    return f"MSG#{seq:010d}"


def put_message(session_id: str, message: Message) -> Put:
    """The write that appends a row; its place must be free."""
    return Put(message.to_item(session_id), condition="attribute_not_exists(#pk)")


def fill_place(session_id: str, message: Message, approval_id: str) -> Put:
    """The write that puts a result where a row kept its place."""
    return Put(message.to_item(session_id), condition="#approval = :approval", values={"approval": approval_id})


def free_place(session_id: str, seq: int, approval_id: str) -> Delete:
    """The write that opens the call again whose place a row kept."""
    key = {"pk": f"SESSION#{session_id}", "sk": message_sort_key(seq)}
    return Delete(key, condition="#approval = :approval", values={"approval": approval_id})


def load_messages(database: Database, session_id: str, first_seq: int) -> list[Message]:
    """The rows from `first_seq` on, in order."""
    values = {"pk": f"SESSION#{session_id}", "first": message_sort_key(first_seq), "last": "MSG#~"}
    found = database.query("#pk = :pk AND #sk BETWEEN :first AND :last", values)
    return [Message.from_item(item) for item in found]


def messages_before(
    database: Database, session_id: str, before_seq: int | None, portion: int = 50
) -> Iterator[Message]:
    """The rows below `before_seq` (None: all), newest first, read so many at a time."""
    last = "MSG#~" if before_seq is None else message_sort_key(before_seq - 1)
    if before_seq is not None and before_seq <= 0:
        return
    values = {"pk": f"SESSION#{session_id}", "first": message_sort_key(0), "last": last}
    for item in database.query("#pk = :pk AND #sk BETWEEN :first AND :last", values, forward=False, portion=portion):
        yield Message.from_item(item)


@dataclass(frozen=True)
class OpenStep:
    """A stored step whose calls do not all have results yet: where to go on after a kill."""

    assistant: Message
    missing: Mapping[int, ToolCall]
    """The seq that each result will get -> its call."""
    closes: bool = True
    """Whether the last of these results closes the step; False while other calls of it wait for approval."""

    def without(self, held: Mapping[int, ToolCall]) -> "OpenStep":
        """The step but for some calls, whose results come later."""
        missing = {seq: call for seq, call in self.missing.items() if seq not in held}
        return OpenStep(self.assistant, missing, closes=not held)

    @property
    def end(self) -> int:
        """The seq after the last result."""
        return self.assistant.seq + 1 + len(self.assistant.tool_calls)


def open_step(messages: Sequence[Message], task: Task) -> OpenStep | None:
    """The turn's last step, if it still waits for results; at first that is the one that it resumes."""
    turns = {task.id, task.resumes or task.id}
    last = next((m for m in reversed(messages) if m.role == "assistant" and m.task_id in turns), None)
    if last is None or not last.tool_calls:
        return None
    stored = {message.seq for message in messages}
    slots = enumerate(last.tool_calls, start=last.seq + 1)
    missing = {seq: call for seq, call in slots if seq not in stored}
    return OpenStep(last, missing) if missing else None


def for_model(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The rows as an OpenAI-compatible provider wants them; reasoning stays ours, and so do our own questions."""
    result: list[dict[str, Any]] = []
    for message in messages:
        if message.tool_name == RAISE_BUDGET or any(call.name == RAISE_BUDGET for call in message.tool_calls):
            continue
        if message.role == "user":
            result.append({"role": "user", "content": _with_context(message)})
        elif message.role == "system":
            result.append({"role": "system", "content": message.content})
        elif message.role == "tool":
            result.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content})
        elif message.content or message.tool_calls:  # a turn that failed at once left an empty row
            entry: dict[str, Any] = {"role": "assistant", "content": message.content}
            if message.tool_calls:
                entry["tool_calls"] = [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": _legal_arguments(call.arguments)},
                    }
                    for call in message.tool_calls
                ]
            result.append(entry)
    return result


def _legal_arguments(arguments: str) -> str:
    """Providers refuse a history with arguments that are not a JSON object."""
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"


def _with_context(message: Message) -> str:
    if not message.context:
        return message.content
    return f"<context>\n{message.context}\n</context>\n\n{message.content}"
