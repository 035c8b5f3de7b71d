"""Tickets: a browser can't send a header when it opens a WebSocket, so it shows one of these.

| record | pk                  | sk     |
|--------|---------------------|--------|
| ticket | `TICKET#{sha256}`   | `META` |

32 random bytes, stored hashed, good for 30 s and once: the row is deleted by its use.
"""

from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Delete, Put
from shared.kernel.clock import Clock
from shared.kernel.ids import Ids, digest
from shared.kernel.telemetry import log_event

TICKET_SECONDS = 30
_MAX_CHARACTERS = 200


def issue_ticket(database: Database, clock: Clock, ids: Ids, user_id: str) -> str:
    """A new ticket for the user."""
    ticket = ids.secret()
    expires = int(clock.now()) + TICKET_SECONDS
    database.write(Put({**_key(ticket), "v": 1, "user_id": user_id, "expires_at": expires}))
    log_event("ticket.issued", user_id=user_id)
    return ticket


def redeem_ticket(database: Database, clock: Clock, ticket: str) -> str | None:
    """The user whose ticket it is, once; None if it is unknown, used or too old."""
    if not ticket or len(ticket) > _MAX_CHARACTERS:
        return None
    used = Delete(
        _key(ticket),
        condition="attribute_exists(#pk) AND #expires_at >= :now",
        values={"now": int(clock.now())},
    )
    try:
        return str(database.write(used)["user_id"])
    except ConditionFailed:
        return None


def _key(ticket: str) -> dict[str, str]:
    return {"pk": f"TICKET#{digest(ticket)}", "sk": "META"}
