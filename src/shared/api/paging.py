"""A page of a session's messages, newest last, bounded by rows and by bytes."""

from typing import Any

from shared.chat.services import Services
from shared.chat.sessions import Session
from shared.chat.transcript import messages_before
from shared.stream.parts import encode

MAX_PAGE_BYTES = 3_000_000


def session_page(services: Services, session: Session, limit: int, before_seq: int | None) -> dict[str, Any]:
    """The session with up to `limit` messages below `before_seq`.

    The rows of the running turn, except the user's words, are left out: its stream brings them. A
    tool row is never cut from its assistant row.
    """
    rows: list[dict[str, Any]] = []
    size = 0
    more = False
    for message in messages_before(services.database, session.id, before_seq, portion=limit + 1):
        if message.task_id == session.active_task and message.role != "user":
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
        "active_stream": _active_stream(session),
        "totals": _totals(session),
    }


def _active_stream(session: Session) -> dict[str, Any] | None:
    if session.active_task is None:
        return None
    return {"task_id": session.active_task, "last_message_id": "0-0", "operation_id": None, "tool_name": None}


def _totals(session: Session) -> dict[str, int]:
    return vars(session.totals).copy()
