"""Ending a turn because the user is asked: about calls that need approval, or about spending more.

While a stream is open the official clients don't send the answer, so the turn ends. It costs nothing to wait:
the answer starts a turn that goes on with the same message.
"""

from collections.abc import Iterable, Mapping

from shared.accounts.budgets.amounts import BudgetExhausted
from shared.chat.approvals import Approval, ApprovalState, new_approval_id
from shared.chat.services import Services, TurnEngine
from shared.chat.sessions import Awaiting
from shared.chat.transcript import RAISE_BUDGET, Message, OpenStep, ToolCall
from shared.chat.turn.ending import Ending, Pause
from shared.chat.turn.owner import TurnOwner
from shared.kernel.clock import to_millis
from shared.kernel.errors import Terminal
from shared.kernel.telemetry import log_event
from shared.stream import frames
from shared.stream import parts as wire
from shared.stream.notices import notify_user
from shared.stream.parts import encode


class Pausing:
    """Asks for one turn's owner."""

    def __init__(self, services: Services, engine: TurnEngine, owner: TurnOwner, ending: Ending) -> None:
        self._services = services
        self._kept_millis = engine.approval_seconds * 1000
        self._owner = owner
        self._ending = ending

    def ask_about_calls(self, step: OpenStep, held: Mapping[int, ToolCall]) -> None:
        """Pause for calls of a step whose other calls have their results."""
        next_task = self._services.ids.new()
        approvals = [self._approval(next_task, seq, call) for seq, call in held.items()]
        now = to_millis(self._services.clock.now())
        pause = Pause(
            approvals,
            rows=[approval.place(now) for approval in approvals],
            parts=[wire.tool_approval_request(approval.id, approval.tool_call_id) for approval in approvals],
            awaiting=Awaiting(self._owner.task.id, step.assistant.seq, len(approvals)),
            next_seq=step.end,
        )
        self._pause(pause)

    def ask_to_spend(self, exhausted: BudgetExhausted, seq: int) -> None:
        """Pause at a bound that the user may raise; the clients are shown a call that does it.

        Raises:
            BudgetExhausted: the user may not raise it, or the turn works for another one, which nobody could
                answer for.
        """
        if self._owner.task.parent or not exhausted.raisable:
            raise exhausted
        now, task = to_millis(self._services.clock.now()), self._owner.task
        call = ToolCall(f"{RAISE_BUDGET}_{seq}", RAISE_BUDGET, encode(exhausted.public()))
        asking = Message(seq, "assistant", "", task.id, now, tool_calls=(call,))
        approval = self._approval(self._services.ids.new(), seq + 1, call, exhausted)
        shown = {**exhausted.public(), "approval_id": approval.id}
        pause = Pause(
            [approval],
            rows=[asking, approval.place(now)],
            parts=[
                wire.tool_input_available(call.id, call.name, exhausted.public()),
                wire.data("budget-pause", shown),
                wire.tool_approval_request(approval.id, call.id),
            ],
            awaiting=Awaiting(task.id, seq, 1),
            next_seq=seq + 2,
        )
        self._pause(pause)

    def _approval(self, next_task: str, seq: int, call: ToolCall, exhausted: BudgetExhausted | None = None) -> Approval:
        task, now = self._owner.task, to_millis(self._services.clock.now())
        return Approval(
            id=new_approval_id(task.session_id, self._services.ids.new()),
            session_id=task.session_id,
            task_id=task.id,
            next_task=next_task,
            tool_call_id=call.id,
            tool_name=call.name,
            arguments=call.arguments,
            seq=seq,
            created_at=now,
            expires=now + self._kept_millis,
            bound=exhausted.scope if exhausted else "",
            more_tokens=exhausted.asks_for.tokens if exhausted else 0,
            more_micros=exhausted.asks_for.micros if exhausted else 0,
            code=exhausted.code if exhausted else "",
        )

    def _pause(self, pause: Pause) -> None:
        self._ending.pause(pause)
        task = self._owner.task
        for approval in pause.approvals:
            log_event("approval.requested", **task.ids, tool=approval.tool_name, tool_call_id=approval.tool_call_id)
        for approval in pause.approvals:
            notify_user(
                self._services.database,
                self._services.sockets,
                task.user_id,
                frames.notify(
                    "approval-needed",
                    session_id=task.session_id,
                    task_id=task.id,
                    approval_id=approval.id,
                    tool_name=approval.tool_name,
                ),
            )


def end_if_refused(answers: Iterable[Approval]) -> None:
    """End the turn that was to go on if the user wants to spend no more.

    Raises:
        Terminal: with the bound's code.
    """
    for answer in answers:
        if answer.bound and answer.state is ApprovalState.DENIED:
            said = f" The user said: {answer.reason}" if answer.reason else ""
            raise Terminal(f"The turn has reached a bound, and the user did not raise it.{said}", code=answer.code)
