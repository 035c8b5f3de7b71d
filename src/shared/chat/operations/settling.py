"""Ending an operation, once: its stream, its row in the transcript, and who tells the model, in one transaction.

| the session                   | then                                                                    |
|-------------------------------|-------------------------------------------------------------------------|
| is idle                       | a continuation turn starts, opened by a notice                           |
| has a turn that runs          | the notice waits for it, as a pending item of the system's               |
| has one that asks its user    | the notice waits for the turn that goes on with the answer               |
| or the call's row is gone     | a success fails, because nobody could read it; nothing is told           |

A continuation waits for a slot as any turn does, however many wait already: its operation was accepted long ago.
"""

from shared.aws.writes import Put, Update, Write
from shared.chat.approvals import awaiting_is, awaiting_values
from shared.chat.opening import Submission, adding, continue_session, new_task_writes, user_row
from shared.chat.operations.notices import bringing
from shared.chat.operations.records import Operation, Verdict
from shared.chat.operations.stream import closing_parts, opening_parts
from shared.chat.pending import put_notice
from shared.chat.services import Services
from shared.chat.sessions import Session, session_key
from shared.chat.transcript import Message, message_sort_key, put_message
from shared.chat.turn.owner import InboxChanged, StreamMoved, TurnOwner, WritesRefused
from shared.kernel.analytics import operation_finished
from shared.kernel.clock import to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import count, log_event
from shared.stream.closing import OpenStream
from shared.stream.parts import encode
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import get_task, raise_inbox
from shared.tools.contract import ErrorResponse

_ATTEMPTS = 12
UNKEPT = Verdict.failure("result_not_kept", "The operation succeeded, but its result has no place any more.")


class Settlement:
    """Ends one operation for its owner."""

    def __init__(self, services: Services, owner: TurnOwner, operation: Operation) -> None:
        self._services = services
        self._owner = owner
        self._operation = operation

    def settle(self, verdict: Verdict) -> None:
        """End it with `verdict`; who runs a turn of the session, or starts the next one, hears of it.

        Raises:
            LeaseLost: another owner has taken over.
            Retryable: the session changes too fast; nothing was written.
        """
        self._owner.obeys_cancel = False
        self._owner.flush()
        for _ in range(_ATTEMPTS):
            continuation = self._try(verdict)
            if continuation is not None:
                break
        else:
            raise Retryable("The session changes too fast.", code="session_busy")
        if isinstance(continuation, Task):
            self._send(continuation)

    def _send(self, continuation: Task) -> None:
        log_event("turn.accepted", **continuation.ids)
        count("TurnAccepted")
        self._services.slots.begin(continuation)

    def _try(self, wanted: Verdict) -> "Task | bool | None":
        """The continuation, or True if there is none; None if something changed meanwhile."""
        session = self._session()
        row = self._row() if session else None
        verdict = UNKEPT if row is None and wanted.succeeded else wanted
        continuation, writes = self._writes(session, row, verdict)
        state = OpenStream.after(self._owner.parts)
        parts = [
            *([] if state.started else opening_parts(self._owner.task, self._operation)),
            *closing_parts(self._operation, verdict, lost=verdict is UNKEPT),
        ]
        try:
            self._owner.commit(
                writes,
                parts,
                also_set=", #status = :status, #ended_at = :ended" + ("" if verdict.succeeded else ", #error = :error"),
                values=self._ended_values(verdict),
                requires_inbox=True,
                keeps_shown=True,
            )
        except InboxChanged:
            self._owner.look()
            return None
        except (StreamMoved, WritesRefused):
            return None
        self._report(verdict)
        return continuation or True

    def _session(self) -> Session | None:
        item = self._services.database.get(session_key(self._owner.task.session_id))
        return Session.from_item(item) if item and "deleted_at" not in item else None

    def _row(self) -> Message | None:
        """The row that waits for the result; None if it is gone, or something else stands there."""
        session_id = self._owner.task.session_id
        key = {"pk": f"SESSION#{session_id}", "sk": message_sort_key(self._operation.seq)}
        item = self._services.database.get(key)
        row = Message.from_item(item) if item else None
        mine = row is not None and row.tool_call_id == self._operation.tool_call_id
        return row if row and mine and row.content == self._operation.placeholder else None

    # -- what goes with the end ----------------------------------------------------------------

    def _writes(
        self, session: Session | None, row: Message | None, verdict: Verdict
    ) -> tuple[Task | None, list[Write]]:
        if session is None:
            return None, []
        if row is None:
            return None, [self._leave(session)]
        replaced = self._replace(row, verdict)
        if verdict.status is TaskStatus.CANCELLED:  # who stopped it knows; the model reads it when it is asked next
            return None, [self._leave(session), replaced]
        notice = self._notice(verdict)
        if session.active_task is not None or session.awaiting is not None:
            return None, [*self._leave_notice(session, notice), replaced]
        if self._operation.seq < session.context_from:
            notice = bringing(notice, replaced.item["content"])
        continuation, writes = self._continue(session, notice)
        return continuation, [*writes, replaced]

    def _replace(self, row: Message, verdict: Verdict) -> Put:
        """The result in place of what stood there, which must not have changed."""
        content = verdict.output
        if not verdict.succeeded:
            content = ErrorResponse(code=verdict.code, message=verdict.message).model_dump(mode="json")
        text = content if isinstance(content, str) else encode(content)
        item = row.to_item(self._owner.task.session_id) | {"content": text, "is_error": verdict.is_error}
        return Put(item, condition="#content = :seen", values={"seen": row.content})

    def _notice(self, verdict: Verdict) -> Submission:
        """What the model is told: our own words about where the result stands."""
        operation = self._operation
        how = "has failed" if verdict.is_error else "has succeeded"
        text = (
            f"The operation {self._owner.task.operation_id} of {operation.tool_name} {how}. Its result now stands in "
            f"the tool message of call {operation.tool_call_id}. Tell the user what came of it, and go on with what "
            "was waiting for it."
        )
        return Submission(f"operation-{self._owner.task.id}", text, is_notice=True, about=operation.seq)

    def _leave(self, session: Session) -> Update:
        """The operation is none of the session's any more."""
        return Update(
            session_key(session.id),
            f"{adding(self._totals())} DELETE #operations :done",
            condition="attribute_exists(#pk)",
            values={"done": {self._owner.task.id}, **self._totals()},
        )

    def _leave_notice(self, session: Session, notice: Submission) -> list[Write]:
        """The turn that runs, or goes on, will see it; one that has just ended makes us look again."""
        running = session.active_task
        busy = "#active_task = :task" if running else f"attribute_not_exists(#active_task) AND {awaiting_is(session)}"
        told = Update(
            session_key(session.id),
            f"SET #notices = if_not_exists(#notices, :zero) + :one {adding(self._totals())} DELETE #operations :done",
            condition=f"#owner = :owner AND {busy}",
            values={
                "zero": 0,
                "one": 1,
                "owner": session.owner,
                **({"task": running} if running else awaiting_values(session)),
                "done": {self._owner.task.id},
                **self._totals(),
            },
        )
        now = to_millis(self._services.clock.now())
        kept = put_notice(session.id, self._services.ids.new(), notice, now)
        return [told, kept, *([raise_inbox(running)] if running else [])]

    def _continue(self, session: Session, notice: Submission) -> tuple[Task, list[Write]]:
        """A turn of its own; it may do what the turn might that began the operation."""
        now = to_millis(self._services.clock.now())
        begun_by = get_task(self._services.database, self._operation.turn_id) or self._owner.task
        task = begun_by.fresh(
            id=self._services.ids.new(),
            kind="turn",
            user_id=session.owner,
            created_at=now,
            context_from=session.context_from,
            inbox=1 if session.pending_count or session.notices else 0,
        )
        task = self._services.slots.queued(task)
        done = {"done": {self._owner.task.id}, **self._totals()}
        started = continue_session(session, task, f" {adding(self._totals())} DELETE #operations :done", done)
        row = user_row(session.next_seq, notice, task, now)
        return task, [started, put_message(session.id, row), *new_task_writes(task)]

    def _totals(self) -> dict[str, int]:
        return {f"total_{name}": value for name, value in vars(self._owner.spend).items()}

    # -- what is told of it --------------------------------------------------------------------

    def _ended_values(self, verdict: Verdict) -> dict[str, object]:
        values: dict[str, object] = {
            "status": verdict.status.value,
            "ended": to_millis(self._services.clock.now()),
        }
        if not verdict.succeeded:
            values["error"] = {"code": verdict.code, "message": verdict.message}
        return values

    def _report(self, verdict: Verdict) -> None:
        task = self._owner.task
        seconds = self._services.clock.now() - task.created_at / 1000
        operation_finished(task.ids, self._operation.tool_name, task.operation_id or "", verdict.status.value, seconds)
        log_event(
            "operation.finished",
            **task.ids,
            tool=self._operation.tool_name,
            tool_call_id=self._operation.tool_call_id,
            outcome="ok" if verdict.succeeded else verdict.code,
            seconds=round(seconds, 3),
            cost_micros=self._owner.spend.cost_micros,
        )
