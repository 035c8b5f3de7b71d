"""Claiming a guest's session: who has signed in takes along what they said before.

It happens once, in one transaction: the session's owner and its place in the list of sessions change,
and a running turn changes hands with it. The turn's inbox is raised, so its worker can't end it, or start
the next one, before it has seen whose it is now.
"""

from dataclasses import replace

from shared.aws.database import TransactionFailed
from shared.aws.writes import Update, Write
from shared.chat.services import Services
from shared.chat.sessions import Session, owned_session, session_key
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound, Retryable
from shared.kernel.telemetry import log_event
from shared.tasks.store import raise_inbox

_ATTEMPTS = 8


def claim_session(services: Services, session_id: str, guest_id: str, user_id: str) -> Session:
    """Make the guest's session the user's. Claimed already by the same user: nothing happens.

    Raises:
        NotFound: it is not (or no longer) the guest's; whose it is instead, nobody learns.
        Retryable: turns begin and end too fast; nothing was changed.
    """
    for _ in range(_ATTEMPTS):
        claimed = _claimed_before(services, session_id, guest_id, user_id)
        if claimed:
            return claimed
        session = owned_session(services.database, session_id, guest_id)
        try:
            services.database.transact(_claim_writes(services, session, user_id))
        except TransactionFailed:  # a turn began or ended, or another claim was quicker: look again
            continue
        log_event("session.claimed", session_id=session_id, user_id=user_id, task_id=session.active_task)
        return replace(session, owner=user_id, claimed_from=guest_id)
    raise Retryable("The session is too busy right now; claim it again.", code="session_busy")


def _claimed_before(services: Services, session_id: str, guest_id: str, user_id: str) -> Session | None:
    try:
        session = owned_session(services.database, session_id, user_id)
    except NotFound:
        return None
    return session if session.claimed_from == guest_id else None


def _claim_writes(services: Services, session: Session, user_id: str) -> list[Write]:
    running = session.active_task
    handed_over = Update(
        session_key(session.id),
        "SET #owner = :user, #gsi1pk = :list, #claimed_from = :guest, #claimed_at = :now",
        condition="#owner = :guest AND "
        + ("#active_task = :task" if running else "attribute_not_exists(#active_task)"),
        values={
            "user": user_id,
            "list": f"USER#{user_id}",
            "guest": session.owner,
            "now": to_millis(services.clock.now()),
            **({"task": running} if running else {}),
        },
    )
    if not running:
        return [handed_over]
    told = raise_inbox(running, ", #user_id = :user")
    return [handed_over, Update(told.key, told.expression, told.condition, {**told.values, "user": user_id})]
