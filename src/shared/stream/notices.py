"""Telling a user something on all their sockets, whatever they watch.

A connection is on GSI1 under its user. Best effort: who is not connected, or too slow, is not told; what the
notice is about can be read over HTTP.
"""

from collections.abc import Mapping

from shared.aws.database import Database
from shared.aws.sockets import ConnectionGone, ConnectionSlow, Sockets
from shared.kernel.errors import Retryable

MOST_CONNECTIONS = 20


def connection_index(user_id: str, connection_id: str) -> Mapping[str, str]:
    """The attributes by which a connection is found by its user."""
    return {"gsi1pk": f"CONNECTIONS#{user_id}", "gsi1sk": connection_id}


def notify_user(database: Database, sockets: Sockets, user_id: str, frame: bytes) -> None:
    """Post the frame to the user's connections; never raises."""
    values = {"user": f"CONNECTIONS#{user_id}"}
    try:
        found = list(database.query("#gsi1pk = :user", values, index="GSI1", limit=MOST_CONNECTIONS))
    except Retryable:
        return
    for item in found:
        try:
            sockets.post(item["gsi1sk"], frame)
        except (ConnectionGone, ConnectionSlow):
            continue
