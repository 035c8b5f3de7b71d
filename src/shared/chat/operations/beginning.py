"""A turn's call of a long-running tool: the operation comes into being with the call's row in the transcript.

Task, operation, timer and row are one transaction of the turn's owner, so a killed worker leaves all of them or
none, and an operation that ends always finds its row.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.aws.writes import Update, Write
from shared.chat.opening import watched_task_writes
from shared.chat.operations.records import Operation, operation_task_id
from shared.chat.services import Services
from shared.chat.sessions import Session, session_key
from shared.chat.transcript import Message, ToolCall
from shared.kernel.analytics import operation_started
from shared.kernel.clock import to_millis
from shared.kernel.telemetry import log_event
from shared.stream.parts import encode
from shared.tasks.records import Task, operation_task
from shared.tasks.store import get_task
from shared.tasks.waits import send_on
from shared.tools.contract import ErrorResponse, ToolResponse
from shared.tools.long_running import LongRunningTool, OperationInProgress, OperationPending, OperationStarted

MAX_OPERATIONS = 10
"""Of one session at once; each is five writes of the transaction that begins it."""


@dataclass(frozen=True)
class NewOperation:
    """What comes into being."""

    task: Task
    operation: Operation


@dataclass(frozen=True)
class Begun:
    """How a call is answered: to viewers and in the transcript, and with which operation."""

    shown: ToolResponse
    kept: ToolResponse
    new: NewOperation | None = None


class Beginning:
    """Answers the long-running calls of one step of a turn."""

    def __init__(self, services: Services, turn: Task, history: Sequence[Message]) -> None:
        self._services = services
        self._turn = turn
        self._history = history
        self._begun: dict[tuple[str, str], ToolCall] = {}

    def begin(self, seq: int, call: ToolCall, tool: LongRunningTool[Any]) -> Begun:
        """Answer a call whose arguments fit; nothing is stored yet."""
        first = self._begun.get((call.name, call.arguments)) or self._in_progress(call)
        if first is not None:
            response: ToolResponse = OperationInProgress(
                message="The same call is being worked on; its result will come by itself. Don't repeat it.",
                session_id=self._turn.session_id,
                tool_call_id=first.id,
            )
            return Begun(response, response)
        if len(self._live()) + len(self._begun) >= MAX_OPERATIONS:
            refused = ErrorResponse(
                code="too_many_operations",
                message=f"{MAX_OPERATIONS} operations of this session are at work. Wait until one has ended.",
            )
            return Begun(refused, refused)
        self._begun[call.name, call.arguments] = call
        return self._new(seq, call, tool)

    def _new(self, seq: int, call: ToolCall, tool: LongRunningTool[Any]) -> Begun:
        turn, now = self._turn, to_millis(self._services.clock.now())
        task = turn.fresh(
            id=operation_task_id(turn, call.id),
            kind="operation",
            created_at=now,
            context_from=0,
            parent=turn.id,
            root=turn.tree,
            depth=turn.depth + 1,
            tool_name=tool.name,
        )
        assert task.operation_id is not None
        shared = {"session_id": turn.session_id, "operation_id": task.operation_id, "tool_name": tool.name}
        kept = OperationPending(
            message="The work has begun and goes on by itself. Its result will take this place and start a new turn. "
            "Don't wait or ask for it now: tell the user that it is on its way, and go on with what else there is.",
            **shared,
        )
        shown = OperationStarted(message=f"{tool.name} has begun.", task_id=task.id, **shared)
        operation = Operation(
            task_id=task.id,
            tool_name=tool.name,
            tool_call_id=call.id,
            arguments=call.arguments,
            turn_id=turn.id,
            seq=seq,
            placeholder=encode(kept.model_dump(mode="json")),
            deadline=now + tool.max_seconds * 1000,
            finishes=tool.finishes,
        )
        return Begun(shown, kept, NewOperation(task, operation))

    def _live(self) -> frozenset[str]:
        item = self._services.database.get(session_key(self._turn.session_id))
        return Session.from_item(item).operations if item else frozenset()

    def _in_progress(self, call: ToolCall) -> ToolCall | None:
        """An earlier call of the same words whose operation has not ended."""
        calls = {c.id: c for message in self._history for c in message.tool_calls}
        for message in reversed(self._history):
            earlier = calls.get(message.tool_call_id) if message.role == "tool" else None
            if earlier is None or (earlier.name, earlier.arguments) != (call.name, call.arguments):
                continue
            operation_id = _pending_operation(message)
            task = get_task(self._services.database, operation_task(operation_id)) if operation_id else None
            if task is not None and not task.status.ended:
                return earlier
        return None


def _pending_operation(message: Message) -> str | None:
    try:
        content = json.loads(message.content)
    except ValueError:
        return None
    pending = isinstance(content, dict) and content.get("type") == "operation_pending"
    return str(content["operation_id"]) if pending else None


def beginning_writes(new: Sequence[NewOperation]) -> list[Write]:
    """What is stored together with the calls' rows."""
    if not new:
        return []
    tasks = {one.task.id for one in new}
    session = Update(
        session_key(new[0].task.session_id),
        "ADD #operations :begun",
        condition="attribute_exists(#pk)",
        values={"begun": tasks},
    )
    writes: list[Write] = [session]
    for one in new:
        # No child of the turn's: a stop of the turn leaves it alone.
        writes += [*watched_task_writes(one.task), *one.operation.puts(one.task.session_id)]
    return writes


def send_begun(services: Services, new: Iterable[NewOperation]) -> None:
    """Let workers hear of them; what is lost here, their timers repair."""
    for one in new:
        call_id = one.operation.tool_call_id
        log_event("operation.started", **one.task.ids, tool=one.operation.tool_name, tool_call_id=call_id)
        operation_started(one.task.ids, one.operation.tool_name, one.task.operation_id or "")
        send_on(services.queue, one.task)
