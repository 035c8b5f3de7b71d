"""What others may do to an operation: complete it from outside, or stop it.

Either is stored with one transaction that wakes the operation's worker; the worker ends it. So of many
completions at once the first one counts, and whoever is killed in between has lost nothing.
"""

import json
import zlib
from typing import Any, Literal

from shared.aws.database import TransactionFailed
from shared.aws.writes import Item
from shared.chat.operations.records import Verdict, load_operation, put_outcome
from shared.chat.resume import owned_task
from shared.chat.services import Services
from shared.chat.turn.tool_call import MAX_OUTPUT_BYTES, PREVIEW_CHARACTERS
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound, Retryable
from shared.kernel.redaction import redact
from shared.kernel.telemetry import log_event
from shared.stream.parts import encode
from shared.tasks.records import Task, operation_task
from shared.tasks.store import get_task
from shared.tasks.waits import send_on, telling, wake
from shared.tools.contract import OversizedOutput

_ATTEMPTS = 12
_MAX_ERROR_CHARACTERS = 4_000
_MAX_PACKED_BYTES = 350_000
"""Of a result that is kept whole: its item must stay below 400 KB."""
_EVERY_RESULT = {"status": "completed"}

Told = Literal["first", "repeated", "too_late"]


def find_operation(services: Services, operation_id: str) -> Task:
    """The operation's task.

    Raises:
        NotFound: there is none.
    """
    task = get_task(services.database, operation_task(operation_id))
    if task is None or task.operation_id != operation_id:
        raise NotFound("There is no such operation.", code="OPERATION_NOT_FOUND")
    return task


def complete_operation(services: Services, operation_id: str, *, success: bool, result: Any, error: str | None) -> Task:
    """Take what somebody outside tells; what was told before, or comes too late, changes nothing.

    Raises:
        NotFound: there is no such operation.
        Retryable: it was not taken; tell it again.
    """
    operation = load_operation(services.database, operation_task(operation_id))
    whole = operation is not None and operation.finishes
    outcome = _outcome(success=success, result=result, error=error, whole=whole)
    for _ in range(_ATTEMPTS):
        task = find_operation(services, operation_id)
        if task.status.ended:
            return _noted(task, "too_late")
        try:
            telling_it = telling(task, to_millis(services.clock.now()))
            services.database.transact([put_outcome(task.id, outcome), *telling_it])
        except TransactionFailed as failure:
            if 0 in failure.failed:
                return _noted(task, "repeated")
            continue
        send_on(services.queue, task)
        return _noted(task, "first")
    raise Retryable("The operation changes too fast; send it again.", code="task_busy")


def stop_operation(services: Services, user_id: str, operation_id: str) -> Task | None:
    """The user wants it no more: its worker ends it as stopped. None if it has ended already.

    Raises:
        NotFound: there is no such operation, or not for this user.
    """
    task = owned_task(services, operation_task(operation_id), user_id)
    if task.operation_id != operation_id:
        raise NotFound("There is no such operation.", code="OPERATION_NOT_FOUND")
    return task if wake(services.database, services.queue, services.clock, task.id, cancel=True) else None


def verdict_of(outcome: Item) -> Verdict:
    """How the operation ends by what was told."""
    if outcome["success"]:
        return Verdict.success(json.loads(outcome["result"]))
    return Verdict.failure("operation_failed", outcome["error"])


def brought_by(outcome: Item) -> Any:
    """The whole result that was told, for the tool that finishes it."""
    return json.loads(zlib.decompress(bytes(outcome["whole"])))


def _outcome(*, success: bool, result: Any, error: str | None, whole: bool) -> Item:
    """What is stored of it. JSON as text: DynamoDB has no fractions for us."""
    if not success:
        return _failed((error or "").strip() or "Operation failed")
    if whole:
        packed = zlib.compress(encode(result).encode(errors="replace"))
        if len(packed) > _MAX_PACKED_BYTES:
            return _failed("The result is larger than can be kept.")
        return {"success": True, "whole": packed}
    shown = redact(_EVERY_RESULT if result is None else result)
    return {"success": True, "result": bounded_result(shown)}


def _failed(words: str) -> Item:
    return {"success": False, "error": words[:_MAX_ERROR_CHARACTERS].encode(errors="replace").decode()}


def bounded_result(result: Any) -> str:
    """JSON text that a row can hold: of a larger one its beginning."""
    text = encode(result).encode(errors="replace").decode()
    size = len(text.encode())
    if size <= MAX_OUTPUT_BYTES:
        return text
    words = f"The result of {size} bytes was too large; this is how it begins. The rest was not kept."
    preview = text[:PREVIEW_CHARACTERS]
    return OversizedOutput(message=words, preview=preview, size=size, reference=None).model_dump_json()


def _noted(task: Task, outcome: Told) -> Task:
    log_event("operation.completion_received", **task.ids, outcome=outcome)
    return task
