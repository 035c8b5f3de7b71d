"""A page of a session's messages, newest last, bounded by rows and by bytes."""

from collections.abc import Iterable, Sequence
from typing import Any

from shared.chat.resume import earlier_turns
from shared.chat.services import Services
from shared.chat.sessions import Session
from shared.chat.transcript import Message, messages_before
from shared.stream.parts import encode
from shared.tasks.store import get_task
from shared.tools.contract import OversizedOutput

MAX_PAGE_BYTES = 3_000_000
"""A Lambda function answers 6 MB at most, and what is JSON already is escaped once more."""
_PREVIEW_CHARACTERS = 2_000


def session_page(services: Services, session: Session, limit: int, before_seq: int | None) -> dict[str, Any]:
    """The session with up to `limit` messages below `before_seq`.

    The rows of the running turn, except the user's words, are left out: its stream brings them. A
    tool row is never cut from its assistant row.
    """
    shown_by_stream = _turns_of_the_stream(services, session)
    messages = messages_before(services.database, session.id, before_seq, portion=limit + 1)
    visible = (message for message in messages if message.role == "user" or message.task_id not in shown_by_stream)
    rows, more = _newest(visible, limit)
    rows.reverse()
    return {
        **session.head(),
        "messages": rows,
        "has_more_messages": more,
        "oldest_sequence": rows[0]["sequence"] if rows else None,
        "active_stream": _active_stream(services, session),
        "totals": _totals(session),
    }


def _newest(messages: Iterable[Message], limit: int) -> tuple[list[dict[str, Any]], bool]:
    """The first rows of `messages`, which come newest first, and whether there are more.

    A step goes onto the page as a whole, or not at all. One that would fill more than a page shows how its results
    begin.
    """
    rows: list[dict[str, Any]] = []
    step: list[dict[str, Any]] = []
    size = 0
    for message in messages:
        if not step and len(rows) >= limit:
            return rows, True
        step.append(message.public())
        if message.role == "tool":
            continue
        size += _size(step)
        if rows and size > MAX_PAGE_BYTES:
            return rows, True
        rows += step if size <= MAX_PAGE_BYTES else [_preview(row) for row in step]
        step = []
    return rows + step, False


def _size(rows: Sequence[dict[str, Any]]) -> int:
    return sum(len(encode(row).encode()) for row in rows)


def _preview(row: dict[str, Any]) -> dict[str, Any]:
    content = row["content"]
    if row["role"] != "tool" or len(content) <= _PREVIEW_CHARACTERS:
        return row
    beginning = OversizedOutput(
        message="There is no page that could hold all results of this step; this is how this one begins.",
        preview=content[:_PREVIEW_CHARACTERS],
        size=len(content.encode()),
        reference=None,
    )
    return {**row, "content": encode(beginning.model_dump(mode="json"))}


def _turns_of_the_stream(services: Services, session: Session) -> set[str]:
    """The running turn, and those whose message it goes on with: a replay brings all of it."""
    task = get_task(services.database, session.active_task) if session.active_task else None
    return {task.id, *(turn.id for turn in earlier_turns(services, task))} if task else set()


def _active_stream(services: Services, session: Session) -> dict[str, Any] | None:
    """The turn that runs, else an operation that does."""
    if session.active_task is not None:
        return _stream_of(session.active_task)
    for task_id in sorted(session.operations):
        task = get_task(services.database, task_id)
        if task is not None and not task.status.ended:
            return _stream_of(task.id, task.operation_id, task.tool_name)
    return None


def _stream_of(task_id: str, operation_id: str | None = None, tool_name: str | None = None) -> dict[str, Any]:
    return {"task_id": task_id, "last_message_id": "0-0", "operation_id": operation_id, "tool_name": tool_name}


def _totals(session: Session) -> dict[str, int]:
    return vars(session.totals).copy()
