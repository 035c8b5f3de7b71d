"""The parts of an operation's own stream: it opens with the call and ends with its output."""

import json

from shared.chat.operations.records import Operation, Verdict
from shared.kernel.redaction import redact
from shared.stream import parts as wire
from shared.stream.parts import Part
from shared.tasks.records import Task


def opening_parts(task: Task, operation: Operation) -> list[Part]:
    """The call as the turn has shown it: the official parser refuses an output without it."""
    arguments = redact(json.loads(operation.arguments or "{}"))
    return [
        wire.start(task.message_id),
        wire.tool_input_available(operation.tool_call_id, operation.tool_name, arguments),
    ]


def closing_parts(operation: Operation, verdict: Verdict, *, lost: bool) -> list[Part]:
    """Its output, or why there is none; `lost` if the session has no place for it."""
    if verdict.succeeded:
        return [wire.tool_output(operation.tool_call_id, verdict.output), wire.finish("stop")]
    failed = wire.tool_output_error(operation.tool_call_id, verdict.message)
    told = [wire.error(verdict.message)] if lost else []
    reason: wire.FinishReason = "other" if verdict.code == "stopped_by_user" else "error"
    return [failed, *told, wire.finish(reason)]
