"""Who is connected. A connection's end is best effort in API Gateway, so its row expires by itself.

| record     | pk           | sk               | notes                                       |
|------------|--------------|------------------|---------------------------------------------|
| connection | `CONN#{id}`  | `META`           | on GSI1 under `CONNECTIONS#{user}`, for notices |
| view       | `CONN#{id}`  | `VIEW#{request}` |                                             |
"""

from shared.aws.database import Database
from shared.aws.writes import Delete, Item, Put
from shared.kernel.clock import Clock
from shared.stream.notices import connection_index
from shared.stream.viewers import detach, views_of

_TTL_SECONDS = 2 * 3600 + 900


def _key(connection_id: str) -> dict[str, str]:
    return {"pk": f"CONN#{connection_id}", "sk": "META"}


def remember_connection(database: Database, clock: Clock, connection_id: str, user_id: str) -> None:
    """The user has opened a connection."""
    item: Item = {
        **_key(connection_id),
        **connection_index(user_id, connection_id),
        "v": 1,
        "user_id": user_id,
        "expires_at": int(clock.now()) + _TTL_SECONDS,
    }
    database.write(Put(item))


def user_of(database: Database, connection_id: str) -> str | None:
    """Whose connection it is; None if it is not known."""
    item = database.get(_key(connection_id))
    return item["user_id"] if item else None


def forget_connection(database: Database, connection_id: str) -> str | None:
    """The connection is closed: nothing is delivered to it any more; the turns it watched go on. Whose it was."""
    for viewer in views_of(database, connection_id):
        detach(database, viewer)
    return database.write(Delete(_key(connection_id))).get("user_id")
