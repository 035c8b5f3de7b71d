"""Messages that wait for a turn to see them."""

from collections.abc import Sequence
from typing import Any

from shared.aws.database import Database
from shared.aws.writes import Delete, Item, Update, Write
from shared.chat.accept import MAX_PENDING
from shared.chat.opening import Submission
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


def lower_count(session_id: str, by: int) -> Update:
    """The write that makes room for as many new messages."""
    return Update(session_key(session_id), "SET #pending_count = #pending_count - :n", values={"n": by})


def submission_of(row: Item) -> Submission:
    """The message that a row holds."""
    lineage = Lineage(**row.get("lineage", {}))
    return Submission(row["message_id"], row["text"], context=row.get("context", ""), lineage=lineage)


def public_pending(rows: Sequence[Item]) -> dict[str, Any]:
    """What the API shows of them."""
    messages = [
        {"message_id": row["message_id"], "content": row["text"], "created_at": iso(row["created_at"])} for row in rows
    ]
    return {"messages": messages, "count": len(messages), "max": MAX_PENDING}
