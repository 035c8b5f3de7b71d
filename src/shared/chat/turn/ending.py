"""Ending a turn, once: status, last rows, `finish` and the session's freedom in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.aws.writes import Item, Write
from shared.chat.approvals import Approval, put_approval
from shared.chat.opening import bound_by, free_session, hand_over, new_task_writes, user_row
from shared.chat.operations.notices import read_out
from shared.chat.pending import deletions, load_pending, submission_of, told_apart
from shared.chat.services import Services
from shared.chat.sessions import Awaiting
from shared.chat.transcript import Message, OpenStep, open_step, put_message
from shared.chat.turn.owner import InboxChanged, StreamMoved, TurnOwner
from shared.kernel.clock import to_millis
from shared.kernel.errors import ParleyError, Retryable
from shared.kernel.events import Event
from shared.kernel.metrics import Counted
from shared.kernel.telemetry import count, log_event, log_problem, measure_seconds
from shared.stream import parts as wire
from shared.stream.closing import OpenStream, in_step, shown_text
from shared.stream.parts import FinishReason, Part, encode
from shared.tasks.lineage import Lineage, lineage_of
from shared.tasks.records import Task, TaskStatus
from shared.tools.contract import ErrorResponse

STOPPED = "Stopped by the user."
INTERRUPTED = "The turn ended before this call had a result."

_REPORTS: dict[TaskStatus, tuple[Event, Counted]] = {
    TaskStatus.COMPLETED: ("turn.completed", "TurnCompleted"),
    TaskStatus.FAILED: ("turn.failed", "TurnFailed"),
    TaskStatus.CANCELLED: ("turn.cancelled", "TurnCancelled"),
}


@dataclass(frozen=True)
class Outcome:
    """How a turn ends."""

    status: TaskStatus
    reason: FinishReason
    error: ParleyError | None = None
    detail: str = ""
    """For a cancelled turn: who ended it (`cancelled`, `forced`, `dequeued`)."""

    @classmethod
    def completed(cls, reason: FinishReason) -> "Outcome":
        """The model has answered."""
        return cls(TaskStatus.COMPLETED, reason)

    @classmethod
    def cancelled(cls, detail: str = "cancelled") -> "Outcome":
        """The user has stopped it; that is not an error."""
        return cls(TaskStatus.CANCELLED, "other", detail=detail)

    @classmethod
    def failed(cls, error: ParleyError) -> "Outcome":
        """It can't go on."""
        return cls(TaskStatus.FAILED, "error", error=error)


@dataclass(frozen=True)
class Pause:
    """What a turn ends with that asks the user."""

    approvals: Sequence[Approval]
    rows: Sequence[Message]
    """New rows; among them those that keep the calls' places."""
    parts: Sequence[Part]
    """What the viewers are shown, before the step and the turn are finished."""
    awaiting: Awaiting
    next_seq: int


class Ending:
    """Ends one turn for its owner."""

    def __init__(self, services: Services, owner: TurnOwner) -> None:
        self._services = services
        self._owner = owner

    def complete(self, answer: Message, reason: FinishReason) -> None:
        """End normally, and start the next turn with what is pending."""
        closing = [wire.finish_step(), wire.finish(reason)]
        self._finish(Outcome.completed(reason), [answer], closing, answer.seq + 1)

    def complete_without_answer(self, next_seq: int) -> None:
        """End normally behind the last results: the user has the word."""
        closing = [*([wire.finish_step()] if in_step(self._owner.parts) else []), wire.finish("stop")]
        self._finish(Outcome.completed("stop"), [], closing, next_seq)

    def pause(self, pause: Pause) -> None:
        """End because the user is asked; what is pending waits for the turn that goes on."""
        closing = [*pause.parts, wire.finish_step(), wire.finish("tool-calls")]
        self._finish(Outcome.completed("tool-calls"), pause.rows, closing, pause.next_seq, pause)

    def abort(self, outcome: Outcome, messages: Sequence[Message]) -> None:
        """End early: what was shown stays, what is open is closed, and the transcript is made legal."""
        self._owner.obeys_cancel = False
        self._owner.flush()
        while True:
            try:
                self._abort_once(outcome, messages)
            except StreamMoved:
                continue
            return

    def _abort_once(self, outcome: Outcome, messages: Sequence[Message]) -> None:
        words = STOPPED if outcome.status is TaskStatus.CANCELLED else INTERRUPTED
        next_seq, rows = self._last_rows(outcome, messages, words)
        state = OpenStream.after(self._owner.parts)
        opening = [] if state.started else [wire.start(self._owner.task.message_id)]
        resumed = _resumed_calls(self._owner.task, messages, state, words)
        closing = [*opening, *resumed, *state.closers(words), *_status_parts(outcome), wire.finish(outcome.reason)]
        self._finish(outcome, rows, closing, next_seq)

    def _last_rows(self, outcome: Outcome, messages: Sequence[Message], words: str) -> tuple[int, list[Message]]:
        """The rows that an early end adds: results for calls without one, and the partial answer."""
        task, now = self._owner.task, to_millis(self._services.clock.now())
        next_seq = messages[-1].seq + 1 if messages else task.context_from
        step = open_step(messages, task)
        if step:
            return step.end, _stopped_results(step, task, now, words, stopped=outcome.error is None)
        text, reasoning = shown_text(self._owner.unsettled)
        error = outcome.error.message if outcome.error else ""
        row = Message(
            next_seq, "assistant", text, task.id, now, reasoning=reasoning, status=outcome.status.value, error=error
        )
        return next_seq + 1, [row]

    def _finish(
        self,
        outcome: Outcome,
        rows: Sequence[Message],
        parts: Sequence[Part],
        next_seq: int,
        pause: Pause | None = None,
    ) -> None:
        while True:
            if pause:
                next_task, session_writes = None, self._pausing_writes(pause)
            else:
                pending = self._pending_at_end()
                next_task, session_writes = self._session_writes(outcome, pending, next_seq)
            writes = [put_message(self._owner.task.session_id, row) for row in rows]
            keeps_slot = next_task is not None and next_task.pool == self._owner.task.pool
            slot_writes = [] if keeps_slot else self._services.slots.leave(self._owner.task)
            try:
                self._owner.commit(
                    [*session_writes, *slot_writes, *writes],
                    parts,
                    also_set=self._ended_set(outcome),
                    values=self._ended_values(outcome),
                    requires_inbox=True,
                    keeps_shown=outcome.status is not TaskStatus.COMPLETED,
                )
            except InboxChanged:
                self._owner.look()
                continue
            break
        self._report(outcome)
        if not keeps_slot:
            self._services.slots.promote_after(self._owner.task)
        if next_task:
            self._send(next_task)

    def _pending_at_end(self) -> list[Item]:
        if not self._owner.has_pending_news:
            return []
        return load_pending(self._services.database, self._owner.task.session_id)

    def _session_writes(
        self, outcome: Outcome, pending: Sequence[Item], next_seq: int
    ) -> tuple[Task | None, list[Write]]:
        """Free the session, or hand it to the next turn.

        A stop discards what the user had left for this turn, a failure leaves it where it is; notices start the
        next turn in any case.
        """
        if pending and outcome.status is TaskStatus.COMPLETED:
            return self._next_turn(pending, next_seq)
        users, notices = told_apart(pending)
        discarded = users if outcome.status is TaskStatus.CANCELLED else []
        if notices:
            return self._next_turn(notices, next_seq, discarded, left=len(users) - len(discarded))
        writes = deletions(discarded)
        return None, [free_session(self._owner.task, next_seq, len(discarded), self._totals()), *writes]

    def _pausing_writes(self, pause: Pause) -> list[Write]:
        freed = free_session(self._owner.task, pause.next_seq, 0, self._totals(), pause.awaiting)
        return [freed, *(put_approval(approval) for approval in pause.approvals)]

    def _next_turn(
        self, pending: Sequence[Item], next_seq: int, discarded: Sequence[Item] = (), left: int = 0
    ) -> tuple[Task, list[Write]]:
        """The turn that answers `pending`, while `discarded` goes unheard and `left` messages still wait."""
        task, now = self._owner.task, to_millis(self._services.clock.now())
        said = [submission_of(row) for row in pending]
        submissions = read_out(self._services.database, task.session_id, said)
        lineage = next((said.lineage for said in submissions if said.lineage != Lineage()), lineage_of(task))
        following = Task(
            id=self._services.ids.new(),
            session_id=task.session_id,
            user_id=task.user_id,
            status=TaskStatus.QUEUED,
            created_at=now,
            context_from=task.context_from,
            inbox=1 if left else 0,
            **vars(bound_by(lineage, task)),
        )
        following = self._services.slots.following(task, following)
        gone, (users, notices) = [*pending, *discarded], told_apart(pending)
        rows = [user_row(seq, said, following, now) for seq, said in enumerate(submissions, start=next_seq)]
        return following, [
            hand_over(task, following, next_seq + len(rows), len(users) + len(discarded), self._totals(), len(notices)),
            *deletions(gone),
            *(put_message(task.session_id, row) for row in rows),
            *new_task_writes(following),
        ]

    def _totals(self) -> dict[str, int]:
        return {f"total_{name}": value for name, value in vars(self._owner.spend).items()}

    def _ended_set(self, outcome: Outcome) -> str:
        return ", #status = :status, #ended_at = :ended" + (", #error = :error" if outcome.error else "")

    def _ended_values(self, outcome: Outcome) -> dict[str, object]:
        values: dict[str, object] = {
            "status": outcome.status.value,
            "ended": to_millis(self._services.clock.now()),
        }
        if outcome.error:
            values["error"] = {"code": outcome.error.code, "message": outcome.error.message}
        return values

    def _report(self, outcome: Outcome) -> None:
        task = self._owner.task
        seconds = self._services.clock.now() - task.created_at / 1000
        event, counter = _REPORTS[outcome.status]
        log_event(
            event,
            **task.ids,
            epoch=task.epoch,
            code=outcome.error.code if outcome.error else None,
            reason=outcome.detail or None,
            seconds=round(seconds, 3),
            steps=self._owner.spend.steps,
            tool_calls=self._owner.spend.tool_calls,
            prompt_tokens=self._owner.spend.prompt_tokens,
            completion_tokens=self._owner.spend.completion_tokens,
            cost_micros=self._owner.spend.cost_micros,
        )
        count(counter)
        measure_seconds("TurnSeconds", seconds)

    def _send(self, task: Task) -> None:
        log_event("turn.accepted", **task.ids)
        count("TurnAccepted")
        try:
            if task.awaits_slot:
                self._services.slots.admit(task)
            else:
                self._services.queue.send(task.id, task.user_id)
        except Retryable as error:  # the next turn is stored; its timer sends it again
            log_problem("turn.send_failed", **task.ids, code=error.code)


def _resumed_calls(task: Task, messages: Sequence[Message], state: OpenStream, words: str) -> list[Part]:
    """The calls of the turn before this one that viewers still see waiting."""
    step = open_step(messages, task)
    if step is None or step.assistant.task_id == task.id or state.in_step:
        return []
    return [wire.tool_output_error(call.id, words) for call in step.missing.values()]


def _status_parts(outcome: Outcome) -> list[Part]:
    data = {"status": outcome.status.value}
    if outcome.error is None:
        return [wire.data("status", {**data, "reason": outcome.detail})]
    return [wire.data("status", {**data, "code": outcome.error.code}), wire.error(outcome.error.message)]


def _stopped_results(step: OpenStep, task: Task, now: int, words: str, *, stopped: bool) -> list[Message]:
    response = ErrorResponse(code="stopped_by_user" if stopped else "interrupted", message=words)
    return [
        Message(
            seq,
            "tool",
            encode(response.model_dump(mode="json")),
            task.id,
            now,
            tool_call_id=call.id,
            tool_name=call.name,
            is_error=True,
        )
        for seq, call in step.missing.items()
    ]
