"""Advancing an operation by as much as this invocation can, as turns are: under a lease, and not for ever."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any

from shared.accounts.permissions import Permissions
from shared.aws.writes import Item
from shared.chat.asking import Asking, Means
from shared.chat.operations.completing import brought_by, verdict_of
from shared.chat.operations.records import (
    Operation,
    Verdict,
    handing_off,
    load_operation,
    load_outcome,
    load_steps,
    put_step,
)
from shared.chat.operations.settling import Settlement
from shared.chat.operations.stream import opening_parts
from shared.chat.services import Services, TurnEngine
from shared.chat.transcript import ToolCall
from shared.chat.turn.owner import TurnCancelled, TurnOwner
from shared.chat.turn.tool_call import arguments_of, bounded
from shared.kernel.clock import to_millis
from shared.kernel.deadline import Deadline
from shared.kernel.errors import ParleyError, Retryable, ToolError
from shared.kernel.mailbox import Mailbox
from shared.kernel.redaction import redact
from shared.kernel.telemetry import log_event, log_failure, log_problem
from shared.stream import parts as wire
from shared.tasks.lease import LeaseLost
from shared.tasks.records import Spend, Task
from shared.tasks.waits import MAX_MESSAGE_DELAY_SECONDS
from shared.tools.contract import Cancellation, ErrorResponse, ToolInput, ToolResponse
from shared.tools.long_running import HandedOff, Journal, LongRunningTool, WorkContext

_HAND_ON_SECONDS = 45.0
"""What is left of the invocation when the work is stopped, to go on in another one."""
_LISTEN_SECONDS = 1.0
_DELIVER_SECONDS = 5.0
_MAX_PROGRESS_CHARACTERS = 500
_MAX_PROGRESS_PARTS = 1_000

SignedAddress = Callable[[str, int], str]
"""(operation id, deadline in ms) -> where somebody outside completes it; empty if that is not configured."""


@dataclass(frozen=True)
class Workbench:
    """What operations work with."""

    engine: TurnEngine
    callback_url: SignedAddress


_Answer = ToolResponse | HandedOff


@dataclass(frozen=True)
class _Told:
    message: str
    done: int | None
    total: int | None


@dataclass(frozen=True)
class _Kept:
    name: str
    value: str


@dataclass(frozen=True)
class _Spent:
    spend: Spend


@dataclass(frozen=True)
class _Done:
    answer: _Answer | ParleyError


_Event = _Told | _Kept | _Spent | _Done


def advance_operation(services: Services, bench: Workbench, task_id: str, invocation: str, deadline: Deadline) -> None:
    """Take the operation's lease and work on it until it ends, waits for somebody outside, or the time is up.

    One that somebody else works on, that has ended, or that does not exist is left alone. Any exception means
    that the message should come again.
    """
    taken = services.leases.take(task_id, invocation)
    if taken is None:
        log_event("turn.message_dropped", task_id=task_id)
        return
    lease, task = taken
    log_event("turn.leased", **task.ids, epoch=task.epoch, takeovers=task.takeovers, status=task.status.value)
    owner = TurnOwner(services, lease, task, has_steps=False)
    try:
        owner.open()
        if task.status.ended:
            owner.tab.settle(task)  # of a call that was under way at the end
        else:
            operation = _known(services, task_id)
            verdict = _Work(services, bench, owner, operation, deadline).run()
            if verdict is None:
                return
            Settlement(services, owner, operation).settle(verdict)
        owner.deliver_end()
    except LeaseLost:
        log_problem("turn.lease_lost", **task.ids, epoch=lease.epoch)


def end_operation(services: Services, task_id: str, verdict: Verdict, caller: str) -> bool:
    """Take the lease from whoever has it and end the operation; False if it had ended already.

    What was told from outside before counts more than `verdict`.
    """
    taken = services.leases.seize(task_id, caller)
    if taken is None:
        return False
    lease, task = taken
    owner = TurnOwner(services, lease, task, has_steps=False)
    try:
        owner.open()
        outcome = load_outcome(services.database, task_id)
        operation = _known(services, task_id)
        # What its tool had to finish is nothing without it.
        told = verdict_of(outcome) if outcome and not (operation.finishes and outcome["success"]) else verdict
        Settlement(services, owner, operation).settle(told)
        owner.deliver_end(_DELIVER_SECONDS)
    except LeaseLost:
        log_problem("turn.lease_lost", **task.ids, epoch=lease.epoch)
    return True


def _known(services: Services, task_id: str) -> Operation:
    operation = load_operation(services.database, task_id)
    assert operation is not None, "it is put with its task"
    return operation


class _Work:
    """One owner's work on one operation."""

    def __init__(
        self, services: Services, bench: Workbench, owner: TurnOwner, operation: Operation, deadline: Deadline
    ) -> None:
        self._services = services
        self._bench = bench
        self._owner = owner
        self._operation = operation
        self._deadline = deadline
        self._told = 0

    def run(self) -> Verdict | None:
        """How it ends; None if another invocation goes on."""
        owner = self._owner
        try:
            if owner.task.cancel_requested:
                raise TurnCancelled
            if not owner.parts:
                owner.commit([], opening_parts(owner.task, self._operation))
            verdict = self._heard()
            if verdict:
                return verdict
            return self._wait() if self._operation.handed_off else self._do()
        except TurnCancelled:
            return Verdict.stopped()

    def _heard(self) -> Verdict | None:
        """What was told from outside, or that the time is over."""
        if self._owner.has_pending_news:
            self._owner.has_pending_news = False
            outcome = load_outcome(self._services.database, self._operation.task_id)
            if outcome:
                return self._concluded(outcome)
        if to_millis(self._services.clock.now()) >= self._operation.deadline:
            return Verdict.failure("operation_timeout", "The operation did not end in time.")
        return None

    def _concluded(self, outcome: Item) -> Verdict:
        """How it ends by what somebody outside has told; if the tool finishes it, in this thread: it is quick."""
        if not (self._operation.finishes and outcome["success"]):
            return verdict_of(outcome)
        tool = self._tool()
        if tool is None:
            return self._no_tool()
        mailbox: Mailbox[_Event] = self._bench.engine.workers.mailbox()
        brought, context = brought_by(outcome), self._context(mailbox, Cancellation())
        answer = self._attempt(tool, context, lambda arguments: tool.finish(context, arguments, brought))
        while (event := mailbox.get(0)) is not None:
            if not isinstance(event, _Done):
                self._take_in(event)
        return self._verdict(answer)

    # -- the work ------------------------------------------------------------------------------

    def _tool(self) -> LongRunningTool[Any] | None:
        tool = self._bench.engine.toolbox.get(self._operation.tool_name)
        return tool if isinstance(tool, LongRunningTool) else None

    def _no_tool(self) -> Verdict:
        return Verdict.failure("unknown_tool", f"There is no tool {self._operation.tool_name} any more.")

    def _do(self) -> Verdict | None:
        tool = self._tool()
        if tool is None:
            return self._no_tool()
        mailbox: Mailbox[_Event] = self._bench.engine.workers.mailbox()
        cancellation = Cancellation()
        self._start(tool, mailbox, cancellation)
        try:
            return self._follow(mailbox, cancellation)
        finally:
            cancellation.cancel()

    def _start(self, tool: LongRunningTool[Any], mailbox: Mailbox[_Event], cancellation: Cancellation) -> None:
        context = self._context(mailbox, cancellation)

        def tell(message: str, done: int | None = None, total: int | None = None) -> None:
            mailbox.put(_Told(message, done, total))

        def work() -> None:
            with suppress(LeaseLost):  # the owner finds out by itself
                mailbox.put(_Done(self._attempt(tool, context, lambda given: tool.work(context, given, tell))))

        self._bench.engine.workers.start(f"operation-{tool.name}", work)

    def _attempt(
        self, tool: LongRunningTool[Any], context: WorkContext, act: Callable[[ToolInput], _Answer]
    ) -> _Answer | ParleyError:
        """What `act` answers for the call's arguments, or how it fails. Raises `LeaseLost`."""
        call = ToolCall(self._operation.tool_call_id, self._operation.tool_name, self._operation.arguments)
        try:
            return act(tool.input_model.model_validate(arguments_of(call)))
        except LeaseLost:
            raise
        except (ToolError, Retryable) as error:
            return error
        except Exception as error:  # noqa: BLE001 - a broken tool fails its operation, and nothing else
            log_failure("tool.raised", error, **context.ids, tool=tool.name, tool_call_id=call.id)
            return ToolError(f"The tool failed ({type(error).__name__}).")

    def _context(self, mailbox: Mailbox[_Event], cancellation: Cancellation) -> WorkContext:
        task, services, engine = self._owner.task, self._services, self._bench.engine
        means = Means(engine.model, engine.workers, engine.prices, engine.max_output_tokens)
        operation_id = task.operation_id or ""
        steps = load_steps(services.database, task.id)
        return WorkContext(
            user_id=task.user_id,
            session_id=task.session_id,
            task_id=task.id,
            tool_call_id=self._operation.tool_call_id,
            cancellation=cancellation,
            operation_id=operation_id,
            callback_url=self._bench.callback_url(operation_id, self._operation.deadline),
            journal=Journal(steps, lambda name, value: mailbox.put(_Kept(name, value))),
            dry_run=task.dry_run,
            is_foreign=task.is_foreign,
            permissions=Permissions.from_item(task.permissions),
            ask=Asking(services, means, task, cancellation, lambda spend: mailbox.put(_Spent(spend))),
        )

    def _follow(self, mailbox: Mailbox[_Event], cancellation: Cancellation) -> Verdict | None:
        """Until the work is done, somebody tells its outcome, or the time is up."""
        owner, clock = self._owner, self._services.clock
        stop_at = self._deadline.at - _HAND_ON_SECONDS
        while True:
            event = owner.next_event(mailbox, min(clock.now() + _LISTEN_SECONDS, stop_at))
            if isinstance(event, _Done):
                return self._answered(event.answer)
            if event is not None:
                self._take_in(event)
            verdict = self._heard()
            if verdict:
                return verdict
            if event is None and clock.now() >= stop_at:  # all that the work has brought is stored
                cancellation.cancel()
                return self._hand_on()

    def _take_in(self, event: _Told | _Kept | _Spent) -> None:
        if isinstance(event, _Kept):
            self._owner.commit([put_step(self._operation.task_id, event.name, event.value)])
        elif isinstance(event, _Spent):
            self._owner.was_spent(event.spend)
        elif self._told < _MAX_PROGRESS_PARTS:
            self._told += 1
            words = event.message[:_MAX_PROGRESS_CHARACTERS].encode(errors="replace").decode()
            self._owner.emit(wire.data("progress", {"message": words, "done": event.done, "total": event.total}))

    def _answered(self, answer: _Answer | ParleyError) -> Verdict | None:
        if isinstance(answer, HandedOff):
            self._owner.commit([handing_off(self._operation.task_id)])
            log_event("operation.handed_off", **self._owner.task.ids, tool=self._operation.tool_name)
            return self._wait()
        return self._verdict(answer)

    def _verdict(self, answer: _Answer | ParleyError) -> Verdict:
        assert not isinstance(answer, HandedOff), "what is finished is not handed on"
        if isinstance(answer, ToolError):
            return Verdict.failure(answer.code, answer.message)
        if isinstance(answer, ParleyError):
            raise answer  # the message comes again, and with it the work
        if isinstance(answer, ErrorResponse) and answer.details is None:
            return Verdict.failure(answer.code, answer.message)
        context = self._context(self._bench.engine.workers.mailbox(), Cancellation())
        shown = answer.model_dump(mode="json")
        if not answer.is_redacted:  # before it is cut: nobody finds a secret in a text
            shown = redact(shown)
        kept = bounded(answer, context, self._bench.engine.spill, json.dumps(shown, ensure_ascii=False))
        return Verdict.success(shown if kept is answer else kept.model_dump(mode="json"))

    # -- leaving -------------------------------------------------------------------------------

    def _hand_on(self) -> Verdict | None:
        """Let another invocation begin the work again, behind what is in its journal."""
        owner = self._owner
        while not owner.hand_on():
            owner.look()
            verdict = self._heard()
            if verdict:
                return verdict
        self._services.queue.send(owner.task.id, owner.task.user_id, kind=owner.task.kind)
        log_event("turn.continued", **owner.task.ids, epoch=owner.task.epoch, steps=owner.spend.steps)
        return None

    def _wait(self) -> Verdict | None:
        """Let nobody work on it until somebody outside tells its outcome, or its deadline comes."""
        owner, deadline = self._owner, self._operation.deadline
        while True:
            verdict = self._heard()
            if verdict:
                return verdict
            if owner.park(deadline):
                self._set_alarm(owner.task, deadline)
                return None
            owner.look()

    def _set_alarm(self, task: Task, deadline: int) -> None:
        """The sweep keeps the deadline to the minute; a delayed message keeps a near one to the second."""
        seconds = max(0, ceil((deadline - to_millis(self._services.clock.now())) / 1000))
        log_event("turn.parked", **task.ids, epoch=task.epoch, seconds=seconds)
        if seconds > MAX_MESSAGE_DELAY_SECONDS:
            return
        try:
            self._services.queue.send(task.id, task.user_id, delay_seconds=seconds, kind=task.kind)
        except Retryable as error:
            log_problem("turn.send_failed", **task.ids, code=error.code)
