"""Accepting a message: one transaction makes it a turn, or keeps it for the turn that runs.

Whatever is retried, redelivered or double-clicked, one client message id is one user row and one
task: the claim on the id is part of the transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shared.accounts.budgets.usage import UsageOf
from shared.accounts.limits import RateLimit
from shared.aws.database import Database, TransactionFailed
from shared.aws.queue import TurnQueue
from shared.aws.writes import Item, Put, Update, Write
from shared.chat.approvals import WENT_ON, closing_writes, still_asks
from shared.chat.opening import Submission, activate, bound_by, may_ride, new_task_writes, user_row
from shared.chat.sessions import Session, owned_session, session_key
from shared.chat.transcript import put_message
from shared.kernel.analytics import message_sent
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Conflict, LimitReached, NotFound, Retryable
from shared.kernel.ids import Ids
from shared.kernel.telemetry import count, log_event, log_problem
from shared.stream.viewers import Viewer
from shared.tasks.lineage import Lineage
from shared.tasks.records import Task, TaskStatus
from shared.tasks.slots import Slots
from shared.tasks.store import get_task, raise_inbox

RECORD_VERSION = 1
MAX_PENDING = 10
MAX_MESSAGE_CHARACTERS = 64_000
_ATTEMPTS = 8

Policy = Literal["enqueue", "reject", "interrupt"]
"""What happens while a turn runs: the message waits for it, is refused, or (see `sending`) ends it."""


class TurnRunning(Conflict):
    """A turn runs, and the message may not wait for it."""

    default_code = "turn_running"

    def __init__(self, task_id: str) -> None:
        super().__init__("A turn is running in this session.")
        self.task_id = task_id


@dataclass(frozen=True)
class Accepted:
    """What became of it."""

    task: Task
    outcome: Literal["started", "pending", "repeated"]


@dataclass(frozen=True)
class Requester:
    """The connection that sent it over a socket, and wants the turn's parts from the first on."""

    connection_id: str
    request_id: str


class Acceptance:
    """Takes messages in."""

    def __init__(
        self,
        database: Database,
        queue: TurnQueue,
        clock: Clock,
        ids: Ids,
        slots: Slots,
        limit: RateLimit | None = None,
        usage: UsageOf | None = None,
    ) -> None:
        self._slots = slots
        self._limit = limit
        self._usage = usage
        self._database = database
        self._queue = queue
        self._clock = clock
        self._ids = ids

    def submit(
        self,
        user_id: str,
        session_id: str,
        submission: Submission,
        policy: Policy = "enqueue",
        requester: Requester | None = None,
        before_sending: Callable[[Task], None] | None = None,
    ) -> Accepted:
        """Make the message a turn, or keep it for the turn that runs.

        `before_sending` is called once the turn is stored and before a worker can hear of it.

        Raises:
            NotFound: the session does not exist for this user.
            TurnRunning: a turn runs, and the policy is not `enqueue`, or it must not hear this message (`may_ride`).
            Conflict: a schedule sends it, and the session's user is asked something: `approval_open`.
            LimitReached: the user has sent too many, has spent too much or has too many turns, or ten messages wait
                already; nothing was kept.
            Retryable: nothing was decided; the same message may be sent again.
        """
        for _ in range(_ATTEMPTS):
            session = owned_session(self._database, session_id, user_id)
            repeated = self._find_repeated(session_id, submission.message_id)
            if repeated:
                return repeated
            self._let_answer(session, submission)
            if self._usage:
                self._usage.require_left(user_id)
            if self._limit:
                self._limit.charge(user_id, f"{session_id}/{submission.message_id}")
            if session.active_task is None:
                task = self._start(session, submission, requester)
                if task is None:
                    continue
                _report(task, requester)
                if session.awaiting:
                    log_event("approval.closed", session_id=session.id, task_id=session.awaiting.task, user_id=user_id)
                message_sent(task.ids, len(submission.text))
                if before_sending:
                    before_sending(task)
                if not task.awaits_slot:
                    self._send(task)
                return Accepted(task, "started")
            if policy != "enqueue" or not self._may_ride(session.active_task, submission.lineage):
                raise TurnRunning(session.active_task)
            task = self._keep(session, session.active_task, submission)
            if task is not None:
                log_event("message.pending", **task.ids)
                message_sent(task.ids, len(submission.text))
                return Accepted(task, "pending")
        raise Retryable("The session is too busy right now; send the message again.", code="session_busy")

    def find(self, user_id: str, session_id: str, message_id: str) -> Accepted:
        """The turn of a message that was sent before (over HTTP, say).

        Raises:
            NotFound: the session or the message does not exist for this user.
        """
        owned_session(self._database, session_id, user_id)
        found = self._find_repeated(session_id, message_id)
        if found is None:
            raise NotFound("There is no such message in this session.", code="MESSAGE_NOT_FOUND")
        return found

    def _find_repeated(self, session_id: str, message_id: str) -> Accepted | None:
        claim = self._database.get(_claim_key(session_id, message_id))
        if claim is None:
            return None
        task = get_task(self._database, claim["task_id"])
        if task is None:
            raise NotFound("The turn of this message is gone.", code="TASK_NOT_FOUND")
        if task.status is TaskStatus.QUEUED and not task.awaits_slot:
            self._send(task)
        return Accepted(task, "repeated")

    def _start(self, session: Session, submission: Submission, requester: Requester | None) -> Task | None:
        """The new turn, or None if another caller was quicker."""
        now = to_millis(self._clock.now())
        task = Task(
            id=self._ids.new(),
            session_id=session.id,
            user_id=session.owner,
            status=TaskStatus.QUEUED,
            created_at=now,
            context_from=session.context_from,
            # Messages that an earlier turn left behind are news for the new owner.
            inbox=1 if session.pending_count or session.notices else 0,
            **vars(bound_by(submission.lineage, session)),
        )
        return self._slots.open(task, lambda counted: self._opening(session, submission, counted, requester))

    def _opening(
        self, session: Session, submission: Submission, task: Task, requester: Requester | None
    ) -> list[Write]:
        writes: list[Write] = [
            activate(session, task, submission),
            _claim(session.id, submission.message_id, task.id),
            put_message(session.id, user_row(session.next_seq, submission, task, task.created_at)),
            *new_task_writes(task),
            *closing_writes(self._database, session, WENT_ON, task.created_at),
        ]
        if requester:
            viewer = Viewer(task.id, requester.connection_id, requester.request_id, from_seq=0, offset=0)
            writes += viewer.puts(self._clock)
        return writes

    def _let_answer(self, session: Session, submission: Submission) -> None:
        """A user who sends something instead of an answer withdraws the question; a schedule must not do so."""
        now = to_millis(self._clock.now())
        if submission.lineage.schedule_id and still_asks(self._database, session, now):
            raise Conflict("The session's user is asked for an approval; answer that first.", code="approval_open")

    def _may_ride(self, active_task: str, lineage: Lineage) -> bool:
        """A user's own message may always wait for the turn that runs; others must not get around what binds them."""
        running = get_task(self._database, active_task) if lineage != Lineage() else None
        return running is None or may_ride(lineage, running)

    def _keep(self, session: Session, active_task: str, submission: Submission) -> Task | None:
        """The turn that will see the message, or None if that turn has just ended."""
        pending = Put(
            {
                "pk": f"SESSION#{session.id}",
                "sk": f"PENDING#{self._ids.new()}",
                "v": RECORD_VERSION,
                "message_id": submission.message_id,
                "text": submission.text,
                "context": submission.context,
                "created_at": to_millis(self._clock.now()),
                **({"lineage": vars(submission.lineage)} if submission.lineage != Lineage() else {}),
            },
            condition="attribute_not_exists(#pk)",
        )
        counted = Update(
            session_key(session.id),
            "SET #pending_count = #pending_count + :one",
            condition="#owner = :owner AND #active_task = :task AND #pending_count < :most",
            values={"one": 1, "owner": session.owner, "task": active_task, "most": MAX_PENDING},
        )
        try:
            self._database.transact(
                [counted, _claim(session.id, submission.message_id, active_task), pending, raise_inbox(active_task)]
            )
        except TransactionFailed as failure:
            found = failure.failed.get(0)
            known = 1 in failure.failed  # the same message, a moment earlier: it is one of those that wait
            if (
                not known
                and found
                and found.get("active_task") == active_task
                and found["pending_count"] >= MAX_PENDING
            ):
                raise LimitReached(
                    f"{MAX_PENDING} messages already wait for this turn.", code="too_many_pending"
                ) from failure
            return None
        return get_task(self._database, active_task)

    def _send(self, task: Task) -> None:
        try:
            self._queue.send(task.id, task.user_id)
        except Retryable as error:  # stored is accepted: the timer sends it again within a minute
            log_problem("turn.send_failed", **task.ids, code=error.code)


def _report(task: Task, requester: Requester | None) -> None:
    log_event("turn.accepted", **task.ids)
    if task.awaits_slot:
        log_event("turn.queued", **task.ids)
    count("TurnAccepted")
    if requester:
        log_event("viewer.registered", **task.ids, connection_id=requester.connection_id)


def _claim_key(session_id: str, message_id: str) -> dict[str, str]:
    return {"pk": f"SESSION#{session_id}", "sk": f"CLAIM#{message_id}"}


def _claim(session_id: str, message_id: str, task_id: str) -> Put:
    item: Item = {**_claim_key(session_id, message_id), "v": RECORD_VERSION, "task_id": task_id}
    return Put(item, condition="attribute_not_exists(#pk)")
