"""Messages that wait for a turn to see them."""

from collections.abc import Sequence
from typing import Any

from shared.aws.database import Database
from shared.aws.writes import Delete, Item, Put, Update, Write
from shared.chat.accept import MAX_PENDING, RECORD_VERSION
from shared.chat.opening import Submission, fewer_notices
from shared.chat.sessions import session_key
from shared.kernel.clock import iso
from shared.tasks.lineage import Lineage


def load_pending(database: Database, session_id: str) -> list[Item]:
    """The waiting rows, oldest first."""
    condition = "#pk = :pk AND begins_with(#sk, :prefix)"
    return list(database.query(condition, {"pk": f"SESSION#{session_id}", "prefix": "PENDING#"}))


def deletions(rows: Sequence[Item]) -> list[Write]:
    """The writes that take the rows out; whoever does it lowers the session's `pending_count` too."""
    return [Delete({"pk": row["pk"], "sk": row["sk"]}, condition="attribute_exists(#pk)") for row in rows]


def lower_count(session_id: str, rows: Sequence[Item]) -> Update:
    """The write that goes with the rows' deletion."""
    users, notices = told_apart(rows)
    expression = f"SET #pending_count = #pending_count - :n{fewer_notices(len(notices))}"
    heard = {"heard": len(notices)} if notices else {}
    return Update(session_key(session_id), expression, values={"n": len(users), **heard})


def told_apart(rows: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """The user's messages, and the system's notices."""
    return [row for row in rows if not row.get("notice")], [row for row in rows if row.get("notice")]


def submission_of(row: Item) -> Submission:
    """The message that a row holds."""
    lineage = Lineage(**row.get("lineage", {}))
    is_notice = row.get("notice", False)
    return Submission(
        row["message_id"], row["text"], row.get("context", ""), lineage, is_notice, about=row.get("about")
    )


def put_notice(session_id: str, pending_id: str, notice: Submission, now: int) -> Put:
    """The write that leaves a notice for the turn that runs; the session's `notices` goes up with it."""
    item: Item = {
        "pk": f"SESSION#{session_id}",
        "sk": f"PENDING#{pending_id}",
        "v": RECORD_VERSION,
        "message_id": notice.message_id,
        "text": notice.text,
        "notice": True,
        **({"about": notice.about} if notice.about is not None else {}),
        "created_at": now,
    }
    return Put(item, condition="attribute_not_exists(#pk)")


def public_pending(rows: Sequence[Item]) -> dict[str, Any]:
    """What the API shows of them."""
    messages = [
        {"message_id": row["message_id"], "content": row["text"], "created_at": iso(row["created_at"])}
        for row in told_apart(rows)[0]
    ]
    return {"messages": messages, "count": len(messages), "max": MAX_PENDING}
