"""Answering what a paused turn asks: once, whoever answers how often.

The last answer starts the turn that goes on, in the same transaction. Its id was chosen when the first turn
paused, so whatever is repeated or raced, there is one such turn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from shared.accounts.budgets.amounts import NOTHING, Amount, Scope
from shared.accounts.budgets.meters import raising, tree_meter
from shared.aws.database import TransactionFailed
from shared.aws.writes import Update, Write
from shared.chat.accept import Requester
from shared.chat.approvals import (
    Approval,
    ApprovalState,
    approvals_of,
    awaiting_is,
    awaiting_values,
    get_approval,
    session_of,
    settle,
)
from shared.chat.opening import new_task_writes
from shared.chat.services import Services
from shared.chat.sessions import Session, gsi_sort_key, owned_session, session_key
from shared.chat.transcript import free_place
from shared.kernel.clock import to_millis
from shared.kernel.errors import Conflict, Gone, NotFound, Retryable
from shared.kernel.telemetry import count, log_event, log_problem
from shared.stream.viewers import Viewer
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import get_task

_ATTEMPTS = 8


@dataclass(frozen=True)
class UserAnswer:
    """What a user says to one request."""

    approval_id: str
    approved: bool
    reason: str = ""


@dataclass(frozen=True)
class Answered:
    """What became of it. `task` goes on, once nothing of the step is open any more."""

    approval: Approval
    task: Task | None
    outcome: Literal["started", "recorded", "repeated"]

    def public(self) -> dict[str, Any]:
        """What the API shows."""
        return {
            "approval_id": self.approval.id,
            "session_id": self.approval.session_id,
            "approved": self.approval.state is ApprovalState.APPROVED,
            "status": self.outcome,
            "task_id": self.task.id if self.task else None,
        }


class Answering:
    """Takes answers in."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def answer_all(
        self,
        user_id: str,
        session_id: str,
        answers: Sequence[UserAnswer],
        requester: Requester | None = None,
        before_sending: Callable[[Task], None] | None = None,
    ) -> Answered:
        """Answer several requests of a session, as the official clients do; what became of the last.

        They send every answer in the message again, also those to earlier steps. What was answered before
        stays as it was, even if they say otherwise now.

        Raises:
            NotFound, Conflict, Gone, Retryable: see `answer`.
        """
        answered: list[Answered] = []
        for said in answers:
            if session_of(said.approval_id) != session_id:
                raise _not_found()
            try:
                answered.append(self.answer(user_id, said, requester, before_sending))
            except AlreadyAnswered as known:
                answered.append(known.answered)
        return next((one for one in answered if one.outcome == "started"), answered[-1])

    def answer(
        self,
        user_id: str,
        said: UserAnswer,
        requester: Requester | None = None,
        before_sending: Callable[[Task], None] | None = None,
    ) -> Answered:
        """Answer one request. `before_sending` is called when a turn is stored and no worker has heard of it.

        Raises:
            NotFound: there is no such request for this user.
            AlreadyAnswered: with the opposite.
            Conflict: the user went on, or has stopped it; or another turn runs.
            Gone: it has expired.
            LimitReached: the user has too many turns in flight; the request stays open.
            Retryable: nothing was decided; the same answer may be sent again.
        """
        for _ in range(_ATTEMPTS):
            session = self._session(user_id, said.approval_id)
            approval = get_approval(self._services.database, said.approval_id)
            if approval is None:
                raise _not_found()
            if approval.state is not ApprovalState.OPEN:
                return self._answered_before(approval, said)
            now = to_millis(self._services.clock.now())
            if approval.is_expired(now):
                raise Gone("The request has expired.", code="approval_expired")
            if session.active_task is not None:
                raise Conflict("A turn is running in this session.", code="turn_running")
            if session.awaiting is None or session.awaiting.task != approval.task_id:
                continue  # read between two answers
            answered = self._record(session, approval, said, now, requester)
            if answered is None:
                continue
            self._start(answered, before_sending)
            return answered
        raise Retryable("The session is too busy right now; send the answer again.", code="session_busy")

    def pending(self, user_id: str, session_id: str) -> list[dict[str, Any]]:
        """What the session's paused turn asks, with what is answered already.

        Raises:
            NotFound: the session does not exist for this user.
        """
        session = owned_session(self._services.database, session_id, user_id)
        if session.awaiting is None:
            return []
        now = to_millis(self._services.clock.now())
        asked = approvals_of(self._services.database, session.id, session.awaiting.task)
        return [approval.public(now) for approval in asked]

    def _session(self, user_id: str, approval_id: str) -> Session:
        try:
            return owned_session(self._services.database, session_of(approval_id), user_id)
        except NotFound as error:
            raise _not_found() from error

    def _answered_before(self, approval: Approval, said: UserAnswer) -> Answered:
        if approval.state is ApprovalState.CLOSED:
            raise Conflict("Nobody asks for this approval any more.", code="approval_closed")
        task = get_task(self._services.database, approval.next_task)
        if task is not None and task.status is TaskStatus.QUEUED and not task.awaits_slot:
            self._send(task)
        answered = Answered(approval, task, "repeated")
        if (approval.state is ApprovalState.APPROVED) is not said.approved:
            raise AlreadyAnswered(answered)
        return answered

    def _record(
        self, session: Session, approval: Approval, said: UserAnswer, now: int, requester: Requester | None
    ) -> Answered | None:
        """The answer, stored; None if somebody was quicker."""
        state = ApprovalState.APPROVED if said.approved else ApprovalState.DENIED
        answered = replace(approval, state=state, reason=said.reason)
        is_last = session.awaiting is not None and session.awaiting.left == 1
        settled = settle(approval, state, said.reason)
        task = None
        if is_last:
            following = self._next_turn(session, answered, now)
            task = self._services.slots.open(
                following, lambda counted: [settled, *self._go_on(session, counted, answered, requester)]
            )
            if task is None:
                return None
        elif not self._stored([settled, _one_less(session)]):
            return None
        log_event("approval.answered", session_id=session.id, task_id=approval.task_id, outcome=state.value)
        return Answered(answered, task, "started" if task else "recorded")

    def _stored(self, writes: Sequence[Write]) -> bool:
        try:
            self._services.database.transact(writes)
        except TransactionFailed:
            return False
        return True

    def _next_turn(self, session: Session, answered: Approval, now: int) -> Task:
        paused = get_task(self._services.database, answered.task_id)
        if paused is None:
            raise NotFound("The turn that asked is gone.", code="TASK_NOT_FOUND")
        raised = _raised(answered, "turn")
        return Task(
            id=answered.next_task,
            session_id=session.id,
            user_id=session.owner,
            status=TaskStatus.QUEUED,
            created_at=now,
            context_from=paused.context_from,  # what the user said in that turn is read again in this one
            kind=paused.kind,
            inbox=1 if session.pending_count or session.notices else 0,
            parent=paused.parent,
            root=paused.tree,
            depth=paused.depth,
            dry_run=paused.dry_run,
            is_foreign=paused.is_foreign,
            permissions=paused.permissions,
            continues=paused.continues or paused.id,
            resumes=paused.id,
            carried=paused.carried.plus(paused.spend),
            # Its budget is that of the whole message; what is claimed of it is spent, less what was raised.
            claimed_tokens=paused.claimed_tokens - raised.tokens,
            claimed_micros=paused.claimed_micros - raised.micros,
        )

    def _go_on(self, session: Session, task: Task, answered: Approval, requester: Requester | None) -> list[Write]:
        """The session's calls are open again, and `task` is the turn that makes them."""
        asked = approvals_of(self._services.database, session.id, task.resumes)
        resumed = Update(
            session_key(session.id),
            "SET #active_task = :task, #updated_at = :now, #gsi1sk = :sort REMOVE #awaiting",
            condition=f"{_IDLE} AND {awaiting_is(session)}",
            values={
                "task": task.id,
                "now": task.created_at,
                "sort": gsi_sort_key(task.created_at, session.id),
                "owner": session.owner,
                **awaiting_values(session),
            },
        )
        writes: list[Write] = [resumed, *new_task_writes(task)]
        if (more := _raised(answered, "tree")) != NOTHING:
            writes.append(raising(tree_meter(task.tree), more, answered.id))
        writes += [free_place(session.id, approval.seq, approval.id) for approval in asked]
        if requester:
            viewer = Viewer(task.id, requester.connection_id, requester.request_id, from_seq=0, offset=0)
            writes += viewer.puts(self._services.clock)
        return writes

    def _start(self, answered: Answered, before_sending: Callable[[Task], None] | None) -> None:
        if answered.task is None:
            return
        log_event("turn.accepted", **answered.task.ids)
        count("TurnAccepted")
        if before_sending:
            before_sending(answered.task)
        if not answered.task.awaits_slot:
            self._send(answered.task)

    def _send(self, task: Task) -> None:
        try:
            self._services.queue.send(task.id, task.user_id)
        except Retryable as error:  # stored is accepted: the timer sends it again within a minute
            log_problem("turn.send_failed", **task.ids, code=error.code)


def _raised(approval: Approval, scope: Scope) -> Amount:
    """By how much the answer raises that budget."""
    approved = approval.state is ApprovalState.APPROVED and approval.bound == scope
    return Amount(approval.more_tokens, approval.more_micros) if approved else NOTHING


class AlreadyAnswered(Conflict):
    """The request was answered before, and not like this."""

    default_code = "approval_answered"

    def __init__(self, answered: Answered) -> None:
        state = answered.approval.state.value
        super().__init__(f"The request is {state} already.", details={"status": state})
        self.answered = answered


_IDLE = "#owner = :owner AND attribute_not_exists(#active_task)"


def _one_less(session: Session) -> Update:
    return Update(
        session_key(session.id),
        "SET #awaiting.#left = #awaiting.#left - :one",
        condition=f"{_IDLE} AND {awaiting_is(session)}",
        values={"one": 1, "owner": session.owner, **awaiting_values(session)},
    )


def _not_found() -> NotFound:
    return NotFound("There is no such request for approval.", code="APPROVAL_NOT_FOUND")
