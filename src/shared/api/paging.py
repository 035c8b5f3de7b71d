"""A page of a session's messages, newest last, bounded by rows and by bytes."""

from typing import Any

from shared.chat.resume import earlier_turns
from shared.chat.services import Services
from shared.chat.sessions import Session
from shared.chat.transcript import messages_before
from shared.stream.parts import encode
from shared.tasks.store import get_task

MAX_PAGE_BYTES = 3_000_000


def session_page(services: Services, session: Session, limit: int, before_seq: int | None) -> dict[str, Any]:
    """The session with up to `limit` messages below `before_seq`.

    The rows of the running turn, except the user's words, are left out: its stream brings them. A
    tool row is never cut from its assistant row.
    """
    shown_by_stream = _turns_of_the_stream(services, session)
    rows: list[dict[str, Any]] = []
    size = 0
    more = False
    for message in messages_before(services.database, session.id, before_seq, portion=limit + 1):
        if message.task_id in shown_by_stream and message.role != "user":
            continue
        shown = message.public()
        size += len(encode(shown).encode())
        # A cut is made only behind (that is, above) a row that needs no row before it.
        if rows and (len(rows) >= limit or size > MAX_PAGE_BYTES) and rows[-1]["role"] != "tool":
            more = True
            break
        rows.append(shown)
    rows.reverse()
    return {
        **session.head(),
        "messages": rows,
        "has_more_messages": more,
        "oldest_sequence": rows[0]["sequence"] if rows else None,
        "active_stream": _active_stream(services, session),
        "totals": _totals(session),
    }


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
