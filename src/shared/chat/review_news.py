"""What is told of reviews: to users that one waits for them, and to the chat that asked what they have said.

| the session that asked        | then                                                          |
|-------------------------------|---------------------------------------------------------------|
| is idle                       | a continuation turn starts, opened by a notice                 |
| has a turn that runs          | the notice waits for it, as a pending item of the system's     |
| has one that asks its user    | the notice waits for the turn that goes on with the answer     |
| is gone, or has used it       | nothing is told                                                |

The stream may tell of a change twice: the write that says that the chat has been told is part of each transaction.
"""

from shared.agents.reviews.records import Review, tell
from shared.agents.reviews.reviews import Reviews
from shared.aws.database import TransactionFailed
from shared.aws.writes import Update, Write
from shared.chat.approvals import awaiting_is, awaiting_values
from shared.chat.opening import Submission, continue_session, new_task_writes, user_row
from shared.chat.pending import put_notice
from shared.chat.services import Services
from shared.chat.sessions import Session, session_key
from shared.chat.transcript import put_message
from shared.kernel.clock import to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import count, log_event
from shared.stream import frames
from shared.stream.notices import notify_user
from shared.tasks.records import Task
from shared.tasks.store import get_task, raise_inbox
from shared.tasks.waits import wake_waiters

_ATTEMPTS = 12


def review_changed(services: Services, review_id: str) -> None:
    """A review is asked for, or decided: tell its user, or whoever waits. May be repeated.

    Raises:
        Retryable: somebody was not told; call it again.
    """
    reviews = Reviews(services.database, services.clock)
    review = reviews.find(review_id)
    if review is None:
        return
    if review.status == "pending":
        if review.origin == "run" and _has_ended(services, review.task_id):
            reviews.close(review.id)  # it asked while somebody stopped it
        else:
            _tell_user(services, review)
        return
    wake_waiters(services.database, services.queue, services.clock, review.awaited)
    if review.origin == "chat":
        _tell_chat(services, review)


def _has_ended(services: Services, task_id: str) -> bool:
    task = get_task(services.database, task_id)
    return task is None or task.status.ended


def _tell_user(services: Services, review: Review) -> None:
    asked_by = {"run_id": review.task_id} if review.origin == "run" else {"session_id": review.session_id}
    frame = frames.notify("review-needed", review_id=review.id, block_name=review.block_name, **asked_by)
    notify_user(services.database, services.sockets, review.user_id, frame)


def _tell_chat(services: Services, review: Review) -> None:
    for _ in range(_ATTEMPTS):
        fresh = Reviews(services.database, services.clock).find(review.id)
        item = services.database.get(session_key(review.session_id))
        asked_by = get_task(services.database, review.task_id)
        gone = item is None or "deleted_at" in item or item["owner"] != review.user_id
        if fresh is None or fresh.told or fresh.used_by or gone or item is None or asked_by is None:
            return
        session, notice = Session.from_item(item), _notice(fresh)
        busy = session.active_task is not None or session.awaiting is not None
        task = None if busy else _continuation(services, session, asked_by)
        writes = _leave(services, session, notice) if task is None else _continue(session, task, notice)
        try:
            services.database.transact([tell(fresh), *writes])
        except TransactionFailed:
            continue
        if task is not None:
            _send(services, task)
        return
    raise Retryable("The session changes too fast.", code="session_busy")


def _notice(review: Review) -> Submission:
    """Our own words; what the user wrote is in the answer of `continue_run_block`."""
    then = (
        f"Call continue_run_block with review_id {review.id} to run it now."
        if review.status == "approved"
        else "It was not run. Tell the user, and go on without."
    )
    text = f"The user has {review.status} the review {review.id} of the block {review.block_name}. {then}"
    return Submission(f"review-{review.id}", text, is_notice=True)


def _leave(services: Services, session: Session, notice: Submission) -> list[Write]:
    """The turn that runs, or goes on, will see it; one that has just ended makes us look again."""
    running = session.active_task
    busy = "#active_task = :task" if running else f"attribute_not_exists(#active_task) AND {awaiting_is(session)}"
    told = Update(
        session_key(session.id),
        "SET #notices = if_not_exists(#notices, :zero) + :one",
        condition=f"#owner = :owner AND {busy}",
        values={
            "zero": 0,
            "one": 1,
            "owner": session.owner,
            **({"task": running} if running else awaiting_values(session)),
        },
    )
    kept = put_notice(session.id, services.ids.new(), notice, to_millis(services.clock.now()))
    return [told, kept, *([raise_inbox(running)] if running else [])]


def _continuation(services: Services, session: Session, asked_by: Task) -> Task:
    """A turn that may do what the one might that asked."""
    task = asked_by.fresh(
        id=services.ids.new(),
        kind="turn",
        user_id=session.owner,
        created_at=to_millis(services.clock.now()),
        context_from=session.context_from,
        inbox=1 if session.pending_count or session.notices else 0,
    )
    return services.slots.queued(task)


def _continue(session: Session, task: Task, notice: Submission) -> list[Write]:
    row = user_row(session.next_seq, notice, task, task.created_at)
    return [continue_session(session, task), put_message(session.id, row), *new_task_writes(task)]


def _send(services: Services, task: Task) -> None:
    log_event("turn.accepted", **task.ids)
    count("TurnAccepted")
    services.slots.begin(task)
