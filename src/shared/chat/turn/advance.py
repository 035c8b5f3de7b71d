"""Advancing a turn by as much as this invocation can: the loop of model and tools."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.accounts.budgets.amounts import BudgetExhausted
from shared.accounts.budgets.reservations import settle_in_full
from shared.accounts.profile import Profile, Profiles
from shared.accounts.users import is_guest
from shared.aws.writes import Write
from shared.chat.approvals import Approval, answers_to
from shared.chat.bounds import check_time, exhausted
from shared.chat.compaction import context_of
from shared.chat.metering import Metering
from shared.chat.model import PROMPT_TOO_LONG
from shared.chat.opening import user_row
from shared.chat.operations.notices import read_out
from shared.chat.pending import deletions, load_pending, lower_count, submission_of
from shared.chat.prompt import WRAP_UP, system_prompt
from shared.chat.services import Services, TurnEngine
from shared.chat.titles import title_first_turn
from shared.chat.transcript import Message, OpenStep, ToolCall, for_model, load_messages, open_step, put_message
from shared.chat.turn.compact import Compactor
from shared.chat.turn.ending import Ending, Outcome
from shared.chat.turn.guide import guide_was_read
from shared.chat.turn.model_step import Answer, ModelStep
from shared.chat.turn.offer import Offer
from shared.chat.turn.owner import TurnCancelled, TurnOwner
from shared.chat.turn.parking import TurnParked
from shared.chat.turn.pausing import Pausing, end_if_refused
from shared.chat.turn.tool_call import arguments_of
from shared.chat.turn.tool_step import ToolStep, user_has_the_word
from shared.kernel.clock import to_millis
from shared.kernel.deadline import Deadline
from shared.kernel.errors import Terminal
from shared.kernel.events import Event
from shared.kernel.limits import STEP_SECONDS
from shared.kernel.telemetry import count, flush_metrics, log_event, log_problem, measure_seconds
from shared.stream import frames
from shared.stream import parts as wire
from shared.stream.closing import in_step
from shared.stream.notices import notify_user
from shared.stream.parts import Part, encode
from shared.tasks.lease import LeaseLost
from shared.tasks.lineage import is_orphan
from shared.tasks.records import Spend, Task
from shared.tasks.store import get_task, neighbours

_LONGEST_BEHIND_END_SECONDS = 120.0
"""Delivering an end (30 s) and finding a title (15 s), with room to spare."""


def advance_turn(services: Services, engine: TurnEngine, task_id: str, invocation: str, deadline: Deadline) -> None:
    """Take the task's lease and work on it until it ends or the time is up.

    A task that somebody else works on, that has ended, or that does not exist is left alone: the
    message may be dropped. Any exception means that the message should come again; nothing that was
    stored or shown is lost by it.
    """
    taken = services.leases.take(task_id, invocation)
    if taken is None:
        _see_to_the_rest(services, task_id)
        log_event("turn.message_dropped", task_id=task_id)
        return
    lease, task = taken
    _report_taking(task, services.clock.now() - task.ready_at / 1000)
    if task.schedule_id and task.epoch == 1:
        _tell_started(services, task)
    owner = TurnOwner(services, lease, task)
    try:
        _Turn(services, engine, owner, deadline).run()
    except LeaseLost:
        # Whoever has the lease now has read what we stored; a zombie has nothing more to say.
        log_problem("turn.lease_lost", **task.ids, epoch=lease.epoch)


def _see_to_the_rest(services: Services, task_id: str) -> None:
    """What is left to do about a task that nobody may work on now."""
    task = get_task(services.database, task_id)
    if task is None:
        return
    if task.ended_at is not None:
        # The worker of an ended turn may have been killed while it asked for a title.
        if services.clock.now() > task.ended_at / 1000 + _LONGEST_BEHIND_END_SECONDS:
            settle_in_full(services.database, services.clock, list(neighbours(services.database, task_id)))
    elif task.awaits_slot:  # it has waited, and given its slot back: it is sent for again when it has got one
        services.slots.admit(task)


class _Turn:
    """One owner's work on one turn."""

    def __init__(self, services: Services, engine: TurnEngine, owner: TurnOwner, deadline: Deadline) -> None:
        self._services = services
        self._engine = engine
        self._owner = owner
        self._deadline = deadline
        self._messages: list[Message] = []
        self._profile: Profile | None = None
        self._answers: Mapping[str, Approval] = {}
        price = engine.prices.get(engine.model.name)
        self._metering = Metering(owner.tab, price, engine.max_output_tokens)

    def run(self) -> None:
        """Advance, and tell the viewers how it ended."""
        owner = self._owner
        journalled = {record["sk"].removeprefix("CALL#"): record for record in owner.open()}
        if owner.task.status.ended:
            owner.tab.settle(owner.task)  # of a call that was made behind the end
            owner.deliver_end()
            return
        if not owner.parts:
            # Shown before anything else is read: somebody is waiting for a sign of life.
            # A turn that goes on with an earlier one's calls has results to show before its first step.
            opening = [] if owner.task.resumes else [wire.start_step()]
            owner.commit([], [wire.start(owner.task.message_id), *opening])
        self._messages = load_messages(self._services.database, owner.task.session_id, owner.task.context_from)
        self._profile = self._load_profile()
        self._answers = self._load_answers()
        ending = Ending(self._services, owner)
        try:
            if owner.task.cancel_requested or is_orphan(self._services.database, owner.task):
                raise TurnCancelled
            if not self._advance(ending, journalled):
                return
        except TurnCancelled:
            ending.abort(Outcome.cancelled(), self._messages)
        except TurnParked:
            return
        except Terminal as error:
            ending.abort(Outcome.failed(error), self._messages)
        owner.deliver_end()
        title_first_turn(self._services, self._engine, owner, self._messages, self._deadline)

    def _load_profile(self) -> Profile | None:
        """What is known of the user, read once an invocation; a guest has none."""
        user_id = self._owner.task.user_id
        return None if is_guest(user_id) else Profiles(self._services.database, self._services.clock).load(user_id)

    def _load_answers(self) -> Mapping[str, Approval]:
        """What the user has answered to the turn that this one resumes."""
        task = self._owner.task
        return answers_to(self._services.database, task.session_id, task.resumes) if task.resumes else {}

    def _offer(self, step: OpenStep) -> Offer:
        task = self._owner.task
        read = guide_was_read(self._services.database, task.session_id, step, self._engine.toolbox)
        return Offer(self._engine, task, self._answers, guide_was_read=read)

    def _advance(self, ending: Ending, journalled: dict[str, Any]) -> bool:
        """Step by step; True when the turn has ended, False when another invocation goes on."""
        owner = self._owner
        self._withdraw_half_step()
        pausing = Pausing(self._services, self._engine, owner, ending)
        while True:
            step = open_step(self._messages, owner.task)
            if step is None:
                end_if_refused(self._answers.values())
                self._drain_pending()
            if self._deadline.seconds_left < STEP_SECONDS:
                if not owner.hand_on():
                    owner.look()
                    continue
                self._services.queue.send(owner.task.id, owner.task.user_id)
                log_event("turn.continued", **owner.task.ids, epoch=owner.task.epoch, steps=owner.spend.steps)
                return False
            if step:
                offer = self._offer(step)
                held = offer.to_ask(step.missing)
                if len(held) == len(step.missing):
                    pausing.ask_about_calls(step, held)
                    return True
                self._run_tools(step.without(held), offer, journalled)
                continue
            if user_has_the_word(self._messages, self._engine.toolbox):
                ending.complete_without_answer(self._next_seq)
                return True
            try:
                answer = self._ask()
            except BudgetExhausted as exhausted_bound:
                pausing.ask_to_spend(exhausted_bound, self._next_seq)
                return True
            if answer is None:
                continue
            if answer.calls:
                self._store_calls(answer)
                flush_metrics()  # what was spent is told, should this invocation be killed in the next step
                continue
            row = self._answer_row(answer)
            ending.complete(row, answer.reason)
            self._messages.append(row)
            return True

    def _withdraw_half_step(self) -> None:
        """A predecessor was killed in mid-stream: viewers forget the half, and the model is asked again."""
        if open_step(self._messages, self._owner.task) is None and self._owner.unsettled:
            self._owner.emit(wire.reset_step())
            self._owner.flush()
            log_event("step.withdrawn", **self._owner.task.ids, step=self._owner.spend.steps)

    # -- the model -----------------------------------------------------------------------------

    def _ask(self) -> Answer | None:
        """The model's answer; None if room had to be made for it first, which takes time of its own."""
        owner, bounds = self._owner, self._engine.bounds
        if not in_step(owner.parts):
            owner.commit([], [wire.start_step()])
        age = self._services.clock.now() - owner.task.created_at / 1000
        check_time(bounds, age)
        if self._make_room(refused=False):
            return None
        used_up = exhausted(bounds, owner.total)
        messages = self._prompt(used_up)
        used_ids = frozenset(call.id for message in self._messages for call in message.tool_calls)
        step = ModelStep(owner, self._engine, self._services.clock, self._metering)
        try:
            answer = step.run(messages, owner.total.steps, used_ids, tools=used_up is None)
        except Terminal as error:
            if error.code == PROMPT_TOO_LONG and self._make_room(refused=True):
                return None
            raise
        owner.tab.use(Spend(steps=1, tool_calls=len(answer.calls)))
        count("Steps")
        if used_up:  # a model that calls on without being offered a tool is not listened to
            if not answer.text.strip():
                raise Terminal(f"The turn has used up its {used_up}.", code="step_limit")
            for call in answer.calls:
                owner.emit(wire.tool_input_error(call.id, call.name, None, "No tool can be called any more."))
            return replace(answer, calls=(), reason="stop" if answer.reason == "tool-calls" else answer.reason)
        return answer

    def _prompt(self, used_up: str | None) -> list[dict[str, Any]]:
        context = context_of(self._messages, self._owner.task.turns)
        instructions = {"role": "system", "content": system_prompt(self._profile, context.summary)}
        wrap_up = [{"role": "system", "content": WRAP_UP.format(what=used_up)}] if used_up else []
        return [instructions, *for_model(context.rows), *wrap_up]

    def _make_room(self, *, refused: bool) -> bool:
        """Summarize what is old, if the model's window is nearly full, or its server has refused the prompt."""
        compactor = Compactor(self._owner, self._services, self._engine, self._metering)
        rows = compactor.make_room(self._messages, refused=refused)
        self._messages.extend(rows)
        return bool(rows)

    def _answer_row(self, answer: Answer) -> Message:
        return Message(
            seq=self._next_seq,
            role="assistant",
            content=answer.text,
            task_id=self._owner.task.id,
            created_at=to_millis(self._services.clock.now()),
            reasoning=answer.reasoning,
            tool_calls=answer.calls,
            tokens=answer.spend.tokens,
        )

    def _store_calls(self, answer: Answer) -> None:
        """The step is durable before its first tool starts."""
        stored = [_storable(call) for call in answer.calls]
        row = self._answer_row(replace(answer, calls=tuple(call for call, _ in stored)))
        self._owner.commit([put_message(self._owner.task.session_id, row)], [part for _, part in stored])
        self._messages.append(row)
        log_event("step.stored", **self._owner.task.ids, step=self._owner.spend.steps, tool_calls=len(stored))

    @property
    def _next_seq(self) -> int:
        return self._messages[-1].seq + 1 if self._messages else self._owner.task.context_from

    # -- the tools -----------------------------------------------------------------------------

    def _run_tools(self, step: OpenStep, offer: Offer, journalled: dict[str, Any]) -> None:
        tools = ToolStep(self._owner, self._services, self._engine, self._messages, offer)
        try:
            rows = tools.run(step, journalled)
        except TurnCancelled:
            # Some of the calls may have results by now; what is missing gets its result at the end.
            self._messages = load_messages(
                self._services.database, self._owner.task.session_id, self._owner.task.context_from
            )
            raise
        self._messages = sorted([*self._messages, *rows], key=lambda message: message.seq)

    # -- what the user says meanwhile ----------------------------------------------------------

    def _drain_pending(self) -> None:
        """Messages that arrived while the turn ran become rows, behind the results of the last step."""
        owner = self._owner
        if not owner.has_pending_news:
            return
        owner.has_pending_news = False
        pending = load_pending(self._services.database, owner.task.session_id)
        if not pending:
            return
        now = to_millis(self._services.clock.now())
        said = read_out(self._services.database, owner.task.session_id, [submission_of(row) for row in pending])
        rows = [user_row(seq, one, owner.task, now) for seq, one in enumerate(said, start=self._next_seq)]
        drained = [{"id": one.message_id, "text": one.text[:500]} for one in said if not one.is_notice]
        writes: list[Write] = [
            lower_count(owner.task.session_id, pending),
            *deletions(pending),
            *(put_message(owner.task.session_id, row) for row in rows),
        ]
        owner.commit(writes, [wire.data("pending-drained", {"messages": drained})] if drained else [])
        self._messages.extend(rows)
        if len(drained) < len(said):  # a notice: what it tells of was put in place of a row that was read before
            self._messages = load_messages(self._services.database, owner.task.session_id, owner.task.context_from)
        log_event("messages.drained", **owner.task.ids, messages=len(rows))


def _tell_started(services: Services, task: Task) -> None:
    """Its user has not begun it just now, and may look at its session."""
    begun = {"session_id": task.session_id, "task_id": task.id, "schedule_id": task.schedule_id}
    notify_user(services.database, services.sockets, task.user_id, frames.notify("turn-started", **begun))


def _report_taking(task: Task, age_seconds: float) -> None:
    """A continuation takes the lease as well; only a takeover was counted by the sweep."""
    name: Event = "turn.taken_over" if task.epoch > 1 and task.takeovers else "turn.leased"
    log_event(name, **task.ids, epoch=task.epoch, takeovers=task.takeovers, status=task.status.value)
    if task.epoch == 1:
        measure_seconds("QueueWait", age_seconds)


def _storable(call: ToolCall) -> tuple[ToolCall, Part]:
    """The call as the transcript keeps it, and the part that shows it."""
    arguments = arguments_of(call)
    if arguments is None:  # the tool step answers it with an error
        return call, wire.tool_input_available(call.id, call.name, call.arguments[:1000])
    return ToolCall(call.id, call.name, encode(arguments)), wire.tool_input_available(call.id, call.name, arguments)
