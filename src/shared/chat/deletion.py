"""Deleting a session: at once for everybody who looks, and bit by bit in the background (see `purge`).

| record | pk               | sk                          |
|--------|------------------|-----------------------------|
| purge  | `PURGE#{shard}`  | `{due, 13 digits}#{session}` |

One transaction takes the session away from its owner, asks its turn to stop, and puts the record of what is to be
purged. The session's own record stays until the end of the purge, so that a turn that runs can end as any other. Its
operations are asked to stop, too, and end without a trace in it.
"""

from shared.aws.database import TransactionFailed
from shared.aws.writes import Item, Put, Update, Write
from shared.chat.cancel import end_requested
from shared.chat.services import Services
from shared.chat.sessions import NOBODY, Session, owned_session, session_key
from shared.chat.stopping import stop_asking
from shared.kernel.clock import to_millis
from shared.kernel.errors import Retryable
from shared.kernel.ids import stable_number
from shared.kernel.telemetry import log_event
from shared.tasks.store import get_task, raise_inbox
from shared.tasks.waits import wake

RECORD_VERSION = 1
PURGE_SHARDS = 2
PURGE_AFTER_SECONDS = 16 * 60
"""An invocation lives 15 min at most."""
_ATTEMPTS = 8


def delete_session(services: Services, user_id: str, session_id: str) -> None:
    """Delete the user's session; when this returns its turn has ended, whoever had to end it.

    Raises:
        NotFound: it does not exist (any more), or belongs to somebody else.
        Retryable: turns begin and end too fast, and nothing was changed; or it may or may not have been deleted.
    """
    for _ in range(_ATTEMPTS):
        session = owned_session(services.database, session_id, user_id)
        try:
            services.database.transact(deletion_writes(services, session))
        except TransactionFailed:  # a turn began or ended, or somebody else was quicker: look again
            continue
        log_event("session.deleted", session_id=session_id, user_id=user_id, task_id=session.active_task)
        if session.active_task:
            _end_turn(services, session.active_task)
        _stop_the_rest(services, session_id)
        return
    raise Retryable("The session is too busy right now; delete it again.", code="session_busy")


def deletion_writes(services: Services, session: Session) -> list[Write]:
    """What takes the session away from its owner, as it was seen, and has it purged."""
    running, now = session.active_task, to_millis(services.clock.now())
    deleted = Update(
        session_key(session.id),
        "SET #owner = :nobody, #deleted_at = :now REMOVE #gsi1pk",
        condition="#owner = :owner AND "
        + ("#active_task = :task" if running else "attribute_not_exists(#active_task)"),
        values={
            "nobody": NOBODY,
            "now": now,
            "owner": session.owner,
            **({"task": running} if running else {}),
        },
    )
    writes: list[Write] = [deleted, Put(_purge_item(session, now))]
    if running:
        stopped = raise_inbox(running, ", #cancel_requested = :yes")
        writes.append(Update(stopped.key, stopped.expression, stopped.condition, {**stopped.values, "yes": True}))
    return writes


def _stop_the_rest(services: Services, session_id: str) -> None:
    """Its operations, also one that its turn has begun while it was deleted; and what a turn that asks has started."""
    item = services.database.get(session_key(session_id))
    for task_id in Session.from_item(item).operations if item else ():
        wake(services.database, services.queue, services.clock, task_id, cancel=True)
    stop_asking(services, session_id)


def _end_turn(services: Services, task_id: str) -> None:
    task = get_task(services.database, task_id)
    if task is not None and not task.status.ended:
        end_requested(services, task)


def _purge_item(session: Session, now: int) -> Item:
    """The record of a session deleted at `now` (milliseconds) by its owner."""
    item: Item = {"v": RECORD_VERSION, "session_id": session.id, "user_id": session.owner}
    if session.claimed_from:
        item["claimed_from"] = session.claimed_from
    return purged_later(item, now)


def purged_later(item: Item, now: int) -> Item:
    """The record in its place, for a purge that begins when whoever knows the session at `now` is dead."""
    due = now + PURGE_AFTER_SECONDS * 1000
    shard = stable_number(item["session_id"], PURGE_SHARDS)
    return {**item, "pk": f"PURGE#{shard}", "sk": f"{due:013d}#{item['session_id']}"}
