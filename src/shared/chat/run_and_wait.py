"""Run a turn and wait for what it answers: the one way for the HTTP API, tools, and whoever else starts turns.

What is followed is the message: the turn that it starts, or the one that hears it. While a session's turn
runs, nothing is said of the turns before it.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from shared.chat.approvals import ApprovalState, approvals_of
from shared.chat.opening import Submission
from shared.chat.pending import load_pending
from shared.chat.sending import Sending
from shared.chat.services import Services
from shared.chat.sessions import owned_session
from shared.chat.transcript import Message, messages_before
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound
from shared.tasks.records import Task, TaskStatus
from shared.tasks.run_state import Followed, MadeCall, RunState, RunStatus
from shared.tasks.store import get_task

_POLL_SECONDS = 0.25

_LATE = "It has asked the user for an approval, and the request expired before it was answered."
_ASKS = "It has paused, because it asks the user for an approval. It goes on when they have answered."

_STATUS: dict[TaskStatus, RunStatus] = {
    TaskStatus.COMPLETED: "completed",
    TaskStatus.CANCELLED: "cancelled",
    TaskStatus.FAILED: "error",
}


class RunAndWait:
    """Starts turns and follows them. With `limited` they count among the messages that their user sends."""

    def __init__(self, services: Services, *, limited: bool) -> None:
        self._services = services
        self._database = services.database
        self._sending = Sending(services, limited=limited)

    def begin(self, user_id: str, session_id: str, submission: Submission) -> Followed:
        """Have the message heard: by a turn of its own, or by the one that runs. Repeated, it changes nothing.

        Raises:
            NotFound, TurnRunning, LimitReached, Retryable: see `Acceptance.submit`.
        """
        accepted = self._sending.submit(user_id, session_id, submission)
        sure = accepted.outcome == "started"
        return Followed(session_id, accepted.task.id, "" if sure else submission.message_id)

    def latest(self, user_id: str, session_id: str) -> Followed | None:
        """The session's turn that runs, or else its last one; None before the first.

        Raises:
            NotFound: the session does not exist for this user.
        """
        session = owned_session(self._database, session_id, user_id)
        task_id = session.active_task or session.last_task
        return Followed(session_id, task_id) if task_id else None

    def look(self, user_id: str, followed: Followed) -> RunState:
        """Where it is.

        Raises:
            NotFound: the session does not exist for this user, or its turn is gone.
        """
        owned_session(self._database, followed.session_id, user_id)
        task = self._task(followed.task_id)
        if not followed.message_id:
            return self._state(task)
        if not task.status.ended:
            waits = self._is_pending(followed)
            return RunState("queued" if waits else "running", task.session_id, task.id, awaits=task.id)
        hearer = self._hearer(followed, task)
        if hearer is not None:
            return self._state(hearer)
        if task.status is TaskStatus.CANCELLED:  # a stop discards what waits
            return RunState("cancelled", task.session_id, task.id)
        return RunState("queued", task.session_id, task.id, error=_reason(task))

    def wait(self, user_id: str, followed: Followed, seconds: float) -> RunState:
        """Where it is as soon as there is nothing more to wait for, or after so many seconds; `look` raises."""
        clock = self._services.clock
        limit = clock.now() + seconds
        while True:
            state = self.look(user_id, followed)
            if state.awaits is None or clock.now() >= limit:
                return state
            clock.sleep(_POLL_SECONDS)

    def _task(self, task_id: str) -> Task:
        task = get_task(self._database, task_id)
        if task is None:
            raise NotFound("This turn is gone.", code="TASK_NOT_FOUND")
        return task

    def _is_pending(self, followed: Followed) -> bool:
        waiting = load_pending(self._database, followed.session_id)
        return any(row.get("message_id") == followed.message_id for row in waiting)

    def _hearer(self, followed: Followed, task: Task) -> Task | None:
        """The turn that has heard the message, now that the one has ended which ran when it came."""
        for row in messages_before(self._database, followed.session_id, None):
            if row.id == followed.message_id:
                return self._task(row.task_id)
            if row.created_at < task.created_at:
                break
        return None

    def _state(self, task: Task) -> RunState:
        if not task.status.ended:
            return RunState("running", task.session_id, task.id, awaits=task.id)
        asked = approvals_of(self._database, task.session_id, task.id)
        going_on = get_task(self._database, asked[0].next_task) if asked else None
        if going_on is not None:
            return self._state(going_on)
        late = any(approval.is_expired(to_millis(self._services.clock.now())) for approval in asked)
        if any(approval.state is ApprovalState.OPEN for approval in asked) and not late:
            return RunState("running", task.session_id, task.id, error=_ASKS)
        rows = list(self._rows_of(task))
        answer = next((row.content for row in reversed(rows) if row.role == "assistant"), "")
        status, reason = (_STATUS[task.status], _reason(task)) if not asked else ("cancelled", _LATE if late else "")
        return RunState(status, task.session_id, task.id, answer, reason, tuple(_calls(rows)), task.spend)

    def _rows_of(self, task: Task) -> Iterator[Message]:
        """What the turn has added to the transcript, in order. Its rows are one stretch, most often the last."""
        found: list[Message] = []
        for row in messages_before(self._database, task.session_id, None):
            if row.task_id == task.id:
                found.append(row)
            elif found or row.created_at < task.created_at:
                break
        return reversed(found)


def recent_rows(services: Services, user_id: str, session_id: str, most: int) -> list[Message]:
    """The session's last rows, in order.

    Raises:
        NotFound: the session does not exist for this user.
    """
    owned_session(services.database, session_id, user_id)
    newest = messages_before(services.database, session_id, None, portion=most)
    return list(islice(newest, most))[::-1]


def _reason(task: Task) -> str:
    return task.error["message"] if task.error else ""


def _calls(rows: Sequence[Message]) -> Iterator[MadeCall]:
    results = {row.tool_call_id: row for row in rows if row.role == "tool"}
    for row in rows:
        for call in row.tool_calls:
            result = results.get(call.id)
            output, failed = (result.content, result.is_error) if result else ("", True)
            yield MadeCall(call.id, call.name, call.arguments, output, failed)
