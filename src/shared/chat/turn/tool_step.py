"""The tool calls of one step, in parallel: each ends in one result row, whatever happens to it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.aws.writes import Put, Write
from shared.chat.approvals import NOT_APPROVED
from shared.chat.operations.beginning import Beginning, NewOperation, beginning_writes, send_begun
from shared.chat.services import Services, TurnEngine
from shared.chat.transcript import Message, OpenStep, ToolCall, put_message
from shared.chat.turn.charging import Charging
from shared.chat.turn.guide import guide_writes
from shared.chat.turn.offer import Offer
from shared.chat.turn.owner import TurnCancelled, TurnOwner
from shared.chat.turn.parking import Parking, Suspended, over_soon
from shared.chat.turn.tool_call import arguments_of, run_call, validated_arguments
from shared.kernel.analytics import tool_called
from shared.kernel.clock import to_millis
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.mailbox import Mailbox
from shared.kernel.telemetry import count, log_event, measure_seconds
from shared.stream import parts as wire
from shared.stream.closing import in_step
from shared.stream.parts import Part, encode
from shared.tasks.records import call_key
from shared.tasks.wait import Wait
from shared.tools.contract import Cancellation, ErrorResponse, Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.long_running import LongRunningTool
from shared.tools.registry import Toolbox

MAX_GROUP_BYTES = 200_000
"""Results that are stored together: their chunk row stays below an item's 400 KB."""
MAX_GROUP_CALLS = 40
_REPEATS_UNTIL_HINT = 3
_TIMEOUT = "tool_timeout"


@dataclass(frozen=True)
class Result:
    """How one call ended; `seq` is the row that is reserved for it."""

    seq: int
    call: ToolCall
    response: ToolResponse
    shown: ToolResponse | None = None
    """What viewers get, where that is not what the transcript keeps."""
    begins: NewOperation | None = None
    """The operation that comes into being with the row."""

    @property
    def is_error(self) -> bool:
        """Whether the model and the viewers are told of a failure."""
        return isinstance(self.response, ErrorResponse)

    @property
    def timed_out(self) -> bool:
        """Whether it was stopped at the cap."""
        return isinstance(self.response, ErrorResponse) and self.response.code == _TIMEOUT


class ToolStep:
    """Runs what is missing of an open step."""

    def __init__(
        self, owner: TurnOwner, services: Services, engine: TurnEngine, history: Sequence[Message], offer: Offer
    ) -> None:
        self._owner = owner
        self._services = services
        self._engine = engine
        self._history = history
        self._offer = offer
        self._cancellation = Cancellation()
        self._started_at: dict[int, float] = {}
        self._turn_ends_at = owner.task.created_at + engine.bounds.turn_max_seconds * 1000
        self._parking = Parking(services, owner, self._turn_ends_at)
        self._charging = Charging(services, engine.toolbox)
        self._beginning = Beginning(services, owner.task, history)

    def run(self, step: OpenStep, journalled: Mapping[str, Any]) -> list[Message]:
        """Run the step's missing calls; their rows, in order, all stored when this returns.

        `journalled` names the calls with an outside effect that an earlier owner had started: they
        are not repeated; and those that wait.

        Raises:
            TurnParked: what is missing waits for others.
        """
        mailbox: Mailbox[Result | Suspended] = self._engine.workers.mailbox()
        self._journal(step, journalled)
        for seq, call in step.missing.items():
            self._start(seq, call, journalled, mailbox)
        try:
            return self._collect(step, mailbox)
        except TurnCancelled:
            self._charging.charge(self._owner.task, step.missing.values())
            raise
        finally:
            self._cancellation.cancel()

    def _journal(self, step: OpenStep, journalled: Mapping[str, Any]) -> None:
        """Note down which calls with an outside effect are about to start."""
        puts: list[Write] = []
        for call in step.missing.values():
            if self._once(call) and self._offer.refusal(call) is None and call.id not in journalled:
                item = {**call_key(self._owner.task.id, call.id), "v": 1, "name": call.name, "status": "started"}
                puts.append(Put(item, condition="attribute_not_exists(#pk)"))
        if puts:
            self._owner.commit(puts)

    def _once(self, call: ToolCall) -> bool:
        """Whether nobody knows what became of the call if it was interrupted. An operation begins with its row."""
        return self._offer.once(call) and not _is_operation(self._offer.tool(call), call)

    def _collect(self, step: OpenStep, mailbox: Mailbox[Result | Suspended]) -> list[Message]:
        waiting = dict(step.missing)
        parked: dict[int, Suspended] = {}
        deadline = self._services.clock.now() + MAX_TOOL_WAIT_SECONDS
        rows: list[Message] = []
        while waiting:
            if len(parked) == len(waiting):
                for over in self._parking.over(parked):
                    self._resume(over, mailbox)
                deadline = self._services.clock.now() + MAX_TOOL_WAIT_SECONDS
            event = self._owner.next_event(mailbox, deadline)
            if event is None:
                group = [_timed_out(seq, call) for seq, call in waiting.items() if seq not in parked]
                self._cancellation.cancel()
            else:
                events = self._and_what_is_ready(event, mailbox)
                parked |= {one.seq: one for one in events if isinstance(one, Suspended) and one.seq in waiting}
                group = [one for one in events if isinstance(one, Result)]
            for portion in _portions([result for result in group if waiting.pop(result.seq, None)]):
                last = step.closes and not waiting and len(rows) + len(portion) == len(step.missing)
                rows += self._store(portion, self._boundary() if last else [])
        return sorted(rows, key=lambda row: row.seq)

    def _and_what_is_ready(
        self, first: Result | Suspended, mailbox: Mailbox[Result | Suspended]
    ) -> list[Result | Suspended]:
        group = [first]
        while (more := mailbox.get(0)) is not None:
            group.append(more)
        return group

    def _store(self, results: Sequence[Result], boundary: list[Part]) -> list[Message]:
        now = to_millis(self._services.clock.now())
        rows = [self._row(result, now) for result in results]
        puts = [put_message(self._owner.task.session_id, row) for row in rows]
        # Before they are stored: a call that is repeated after a kill is charged once, a stored one is not repeated.
        paid = [one.call for one in results if not one.is_error or one.timed_out]  # a failure of its own is free
        self._charging.charge(self._owner.task, paid)
        for result in results:
            self._owner.was_spent(self._charging.progress(result.call).spent)
        new = [result.begins for result in results if result.begins]
        read = guide_writes(self._owner.task.session_id, [(one.seq, one.call.name, one.response) for one in results])
        self._owner.commit([*puts, *read, *beginning_writes(new)], [*(_part(result) for result in results), *boundary])
        send_begun(self._services, new)
        for result in results:
            self._report(result)
        return rows

    def _report(self, result: Result) -> None:
        began = self._started_at.get(result.seq)
        seconds = None if began is None else round(self._services.clock.now() - began, 3)
        log_event(
            "tool.finished",
            **self._owner.task.ids,
            tool=result.call.name if result.call.name in self._engine.toolbox.names else None,
            tool_call_id=result.call.id,
            outcome=result.response.code if isinstance(result.response, ErrorResponse) else "ok",
            seconds=seconds,
        )
        if seconds is not None:
            measure_seconds("ToolSeconds", seconds)
        if result.is_error:
            count("ToolErrors")
        if result.timed_out:
            self._charging.report_cap(self._owner.task, result.call, arguments_of(result.call) or {})

    def _boundary(self) -> list[Part]:
        """What follows the last result. Messages that wait are shown between the steps, so they open the next."""
        closing = [wire.finish_step()] if in_step(self._owner.parts) else []  # a turn that goes on finds it closed
        return closing if self._owner.has_pending_news else [*closing, wire.start_step()]

    def _row(self, result: Result, now: int) -> Message:
        return Message(
            seq=result.seq,
            role="tool",
            content=encode(self._with_hint(result)),
            task_id=self._owner.task.id,
            created_at=now,
            tool_call_id=result.call.id,
            tool_name=result.call.name,
            is_error=result.is_error,
        )

    def _with_hint(self, result: Result) -> dict[str, Any]:
        content = result.response.model_dump(mode="json")
        if result.is_error and self._failures_in_a_row(result.call) + 1 >= _REPEATS_UNTIL_HINT:
            content["hint"] = (
                f"This call has now failed {_REPEATS_UNTIL_HINT} times in a row with the same arguments. "
                "Stop repeating it: try something else, or tell the user what is in the way."
            )
        return content

    def _failures_in_a_row(self, call: ToolCall) -> int:
        calls = {c.id: c for message in self._history for c in message.tool_calls}
        failures = 0
        for message in reversed(self._history):
            if message.role != "tool" or message.task_id != self._owner.task.id:
                continue
            earlier = calls.get(message.tool_call_id)
            if earlier is None or (earlier.name, earlier.arguments) != (call.name, call.arguments):
                continue
            if not message.is_error:
                break
            failures += 1
        return failures

    def _start(
        self, seq: int, call: ToolCall, journalled: Mapping[str, Any], mailbox: Mailbox[Result | Suspended]
    ) -> None:
        tool = self._offer.tool(call)
        response = self._refusal(call, journalled)
        if response is not None or tool is None:
            mailbox.put(Result(seq, call, response or ErrorResponse()))
            return
        if _waits(call, journalled):
            mailbox.put(Suspended(seq, call, Wait.from_item(journalled[call.id]), stored=True))
            return
        if isinstance(tool, LongRunningTool) and _is_operation(tool, call):
            mailbox.put(self._begin(seq, call, tool))
            return
        self._started_at[seq] = self._services.clock.now()
        log_event("tool.started", **self._owner.task.ids, tool=call.name, tool_call_id=call.id)
        tool_called(self._owner.task.ids, call.name, call.id)
        context = self._context(call)
        self._work(seq, call, tool, context, lambda given: tool.run(context, given), mailbox)

    def _begin(self, seq: int, call: ToolCall, tool: LongRunningTool[Any]) -> Result:
        """An operation does it; the call is answered at once."""
        given = validated_arguments(tool, call)
        if isinstance(given, ErrorResponse):
            return Result(seq, call, given)
        tool_called(self._owner.task.ids, call.name, call.id)
        begun = self._beginning.begin(seq, call, tool)
        return Result(seq, call, begun.kept, begun.shown, begun.new)

    def _resume(self, over: Suspended, mailbox: Mailbox[Result | Suspended]) -> None:
        """Let a tool answer that has waited."""
        tool, context = self._engine.toolbox.get(over.call.name), self._context(over.call)
        assert tool is not None, "what is not there has been refused"
        self._work(
            over.seq, over.call, tool, context, lambda given: tool.resume(context, given, over.wait.note), mailbox
        )

    def _context(self, call: ToolCall) -> ToolContext:
        return ToolContext(
            user_id=self._owner.task.user_id,
            session_id=self._owner.task.session_id,
            task_id=self._owner.task.id,
            tool_call_id=call.id,
            dry_run=self._owner.task.dry_run,
            is_foreign=self._owner.task.is_foreign,
            permissions=self._offer.permissions,
            cancellation=self._cancellation,
            progress=self._charging.progress(call),
            tree_max_tokens=self._owner.task.tree_max_tokens,
            tree_max_micros=self._owner.task.tree_max_micros,
        )

    def _work(
        self,
        seq: int,
        call: ToolCall,
        tool: Tool[Any],
        context: ToolContext,
        begin: Callable[[ToolInput], ToolResponse | Wait],
        mailbox: Mailbox[Result | Suspended],
    ) -> None:
        """Beside the owner: `begin`, and a little patience if it has to wait."""
        services, spill = self._services, self._engine.spill

        def work() -> None:
            answer = run_call(tool, context, call, spill, begin)
            if isinstance(answer, Wait) and over_soon(services, answer, context.cancellation):
                note = answer.note
                answer = run_call(tool, context, call, spill, lambda given: tool.resume(context, given, note))
            if isinstance(answer, Wait) and to_millis(services.clock.now()) >= self._turn_ends_at:
                answer = ErrorResponse(code="turn_time_over", message="The time that this turn may take is over.")
            mailbox.put(Suspended(seq, call, answer) if isinstance(answer, Wait) else Result(seq, call, answer))

        self._engine.workers.start(f"tool-{call.name}", work)

    def _refusal(self, call: ToolCall, journalled: Mapping[str, Any]) -> ToolResponse | None:
        refused = self._offer.refusal(call)
        if refused is not None:
            return refused
        if self._once(call) and call.id in journalled and not _waits(call, journalled):
            return ErrorResponse(
                code="outcome_unknown",
                message="The call was started, and then interrupted. It may have taken effect or not; "
                "find out before you repeat it.",
            )
        tool = self._offer.tool(call)
        if tool is None or _waits(call, journalled):
            return None
        return self._charging.refusal(self._owner.task, tool)


def user_has_the_word(messages: Sequence[Message], toolbox: Toolbox) -> bool:
    """Whether the rows end with a step of which a tool wants the turn to end. It is told by the rows alone, so the
    next owner of the turn sees it too."""
    for message in reversed(messages):
        if message.role != "tool":
            return False
        tool = toolbox.get(message.tool_name)
        if tool is not None and tool.ends_turn_with and json.loads(message.content)["type"] in tool.ends_turn_with:
            return True
    return False


def _waits(call: ToolCall, journalled: Mapping[str, Any]) -> bool:
    """Whether an earlier owner has left the call waiting."""
    return call.id in journalled and journalled[call.id]["status"] == "waiting"


def _is_operation(tool: Tool[Any] | None, call: ToolCall) -> bool:
    """Whether an operation does what the call asks for, or would, if its arguments did fit."""
    if not isinstance(tool, LongRunningTool):
        return False
    given = validated_arguments(tool, call)
    return isinstance(given, ErrorResponse) or not tool.answers_at_once(given)


def _timed_out(seq: int, call: ToolCall) -> Result:
    message = (
        f"The tool was stopped after {MAX_TOOL_WAIT_SECONDS} s. For work that takes so long use run_agent "
        "or run_sub_session, if they are on offer."
    )
    return Result(seq, call, ErrorResponse(code=_TIMEOUT, message=message))


def _part(result: Result) -> Part:
    if isinstance(result.response, ErrorResponse) and result.response.code == NOT_APPROVED:
        return wire.tool_output_denied(result.call.id)
    if result.is_error:
        return wire.tool_output_error(result.call.id, result.response.message)
    return wire.tool_output(result.call.id, (result.shown or result.response).model_dump(mode="json"))


def _portions(results: Sequence[Result]) -> list[list[Result]]:
    """The results in groups that one transaction and one chunk row can hold."""
    portions: list[list[Result]] = []
    size = 0
    for result in results:
        length = len(result.response.model_dump_json().encode())
        if not portions or size + length > MAX_GROUP_BYTES or len(portions[-1]) >= MAX_GROUP_CALLS:
            portions.append([])
            size = 0
        portions[-1].append(result)
        size += length
    return portions
