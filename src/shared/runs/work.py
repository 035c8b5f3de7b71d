"""Advancing a run by as much as this invocation can: under a lease, up to 16 executions at once, and not for ever.

One thread owns the run; each execution runs in a thread of its own and reports to a mailbox. What has ended is stored
in groups. What waits is journalled; when nothing else is left to do, nobody works on the run until it is woken.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from shared.accounts.credits import Credits
from shared.accounts.permissions import Permissions
from shared.agents.blocks.contract import BlockContext, BlockServices
from shared.agents.blocks.registry import shipped_block
from shared.agents.graphs.model import ERROR_PIN, Graph
from shared.agents.graphs.schemas import FindBlock
from shared.agents.library.records import library_key
from shared.agents.library.versions import GraphVersions
from shared.agents.running import RunStatus
from shared.aws.writes import Delete, Item, Put, Write
from shared.chat.services import Services
from shared.chat.transcript import ToolCall
from shared.chat.turn.owner import TurnCancelled, TurnOwner
from shared.chat.turn.parking import Parking, Suspended, TurnParked
from shared.kernel.clock import to_millis
from shared.kernel.deadline import Deadline
from shared.kernel.errors import NotFound, ToolError
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.mailbox import Mailbox, Workers
from shared.kernel.telemetry import log_event, log_problem
from shared.runs.calling import (
    Answer,
    Begin,
    Brought,
    Failed,
    ReviewGate,
    Underway,
    answer,
    gathered_inputs,
    read,
)
from shared.runs.ending import Ending, Verdict, run_owner, time_over_at
from shared.runs.plan import Gathers, Plan, Ready, Values
from shared.runs.records import Execution, Run, executions_among, load_run, shown, written
from shared.runs.stream import Progress, last_status, opening_parts, status_part
from shared.runs.views import reviews_among
from shared.stream.parts import Part
from shared.tasks.lease import LeaseLost
from shared.tasks.lineage import is_orphan
from shared.tasks.records import Spend, call_key
from shared.tasks.store import get_task
from shared.tasks.wait import Wait
from shared.tools.contract import ToolContext

MOST_AT_ONCE = 16
"""Executions that run or wait."""
MOST_EXECUTIONS = 10_000
MOST_BYTES = 20_000_000
"""Of all values of a run."""
_NEEDED_SECONDS = MAX_TOOL_WAIT_SECONDS + 60.0
"""An execution begins only with so much of the invocation left: it ends, or is ended, and is stored."""
_GROUP_BYTES = 400_000
_GROUP_ROWS = 40
"""Executions that are stored together."""
_ASKS = "asks_first"
"""In the note of a wait for what the user says before the block runs, as opposed to a wait of the block's own."""
_DRAWN_SECONDS = 60.0
"""How long the owner listens at most before it looks around."""


@dataclass(frozen=True)
class RunBench:
    """What runs work with."""

    blocks: BlockServices
    workers: Workers
    reviews: ReviewGate | None = None
    """None: nobody can be asked, so what has to ask fails."""
    find_block: FindBlock = shipped_block


class _RunFailed(Exception):
    """The run can't go on."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.code)
        self.verdict = verdict


@dataclass(frozen=True)
class _Reported:
    """What an execution has come to."""

    number: int
    answer: Answer


def advance_run(services: Services, bench: RunBench, run_id: str, invocation: str, deadline: Deadline) -> None:
    """Take the run's lease and work on it until it ends, waits, or the time is up.

    One that somebody else works on, that has ended, or that does not exist is left alone. Any exception means
    that the message should come again.
    """
    taken = services.leases.take(run_id, invocation)
    if taken is None:
        task = get_task(services.database, run_id)
        if task is not None and not task.status.ended and task.awaits_slot:
            services.slots.admit(task)  # it has waited, and given its slot back
        log_event("turn.message_dropped", task_id=run_id)
        return
    lease, task = taken
    log_event("turn.leased", **task.ids, epoch=task.epoch, takeovers=task.takeovers, status=task.status.value)
    owner = run_owner(services, lease, task)
    try:
        records = owner.open("NODE#")
        if task.status.ended:
            owner.tab.settle(task)  # of a call that was under way at the end
        elif not _advance(services, bench, owner, records, deadline):
            return
        owner.deliver_end()
    except LeaseLost:
        log_problem("turn.lease_lost", **task.ids, epoch=lease.epoch)


def _advance(
    services: Services, bench: RunBench, owner: TurnOwner, records: Sequence[Item], deadline: Deadline
) -> bool:
    """Whether it has ended."""
    run = load_run(services.database, owner.task.id)
    assert run is not None, "it is put with its task"
    if not owner.task.cancel_requested and _agent_is_gone(services, run):
        Ending(services, owner, run).end(Verdict.failure("agent_deleted", "The agent was deleted."), [], 0)
        return True
    graph = _graph(services, run)
    if graph is None:
        Ending(services, owner, run).end(Verdict.failure("graph_gone", "The agent's graph is gone."), [], 0)
        return True
    try:
        work = _Work(services, bench, owner, run, graph, records, deadline)
    except ValueError as error:
        Ending(services, owner, run).end(Verdict.failure("graph_invalid", f"The graph can't run: {error}."), [], 0)
        return True
    verdict = work.run()
    if verdict is None:
        return False
    Ending(services, owner, run).end(verdict, work.last_words(), work.credits)
    return True


def _agent_is_gone(services: Services, run: Run) -> bool:
    """Also if it was added again since: the files of this run are gone."""
    item = services.database.get(library_key(run.user_id, run.library_agent_id))
    return item is None or item["created_at"] > run.created_at


def _graph(services: Services, run: Run) -> Graph | None:
    try:
        return GraphVersions(services.database, services.clock).graph(run.graph_id, run.version)
    except NotFound:
        return None


class _Work:
    """One owner's work on one run."""

    def __init__(
        self,
        services: Services,
        bench: RunBench,
        owner: TurnOwner,
        run: Run,
        graph: Graph,
        records: Sequence[Item],
        deadline: Deadline,
    ) -> None:
        self._services = services
        self._bench = bench
        self._owner = owner
        self._clock = services.clock
        self._deadline = deadline
        self._inputs = json.loads(run.inputs)
        self._permissions = Permissions.from_item(owner.task.permissions)
        self._credits = Credits(services.database, services.clock)
        self._ends_at = time_over_at(services, owner.task)
        self._parking = Parking(services, owner, self._ends_at)
        self._mailbox: Mailbox[_Reported] = bench.workers.mailbox()
        self._running: dict[int, Underway] = {}
        self._waiting: dict[int, Underway] = {}
        self._parked: dict[int, Suspended] = {}
        self._begun = 0
        self._status = last_status(owner.parts)
        ended = executions_among(records)
        calls = [record for record in records if record["sk"].startswith("CALL#")]
        self._journal = {record["sk"].removeprefix("CALL#"): record for record in calls}
        self._plan = Plan(graph, self._gathers_of)
        self._plan.replay((one.node_id, one.index, json.loads(one.outputs)) for one in ended)
        self._bytes = sum(one.size for one in ended)
        self.credits = sum(one.credits for one in ended)
        self._progress = Progress(graph, bench.find_block, services.clock, ended)
        self._failure = next((one for one in map(self._fatal, ended) if one), None)

    def run(self) -> Verdict | None:
        """How it ends; None if another invocation goes on."""
        owner = self._owner
        try:
            if owner.task.cancel_requested or is_orphan(self._services.database, owner.task):
                raise TurnCancelled
            if not owner.parts:
                started: dict[str, object] = {"now": to_millis(self._clock.now())}
                owner.commit([], opening_parts(owner.task), also_set=", #started_at = :now", values=started)
            return self._go_on()
        except TurnCancelled:
            return Verdict.stopped()
        except _RunFailed as failed:
            return failed.verdict
        except TurnParked:
            return None
        finally:
            self._cancel_all()

    def last_words(self) -> list[Part]:
        """What viewers have not been shown yet."""
        return self._progress.nothing_runs()

    def _cancel_all(self) -> None:
        for one in self._running.values():
            one.cancellation.cancel()
        self._note_spend()

    # -- the loop ------------------------------------------------------------------------------

    def _go_on(self) -> Verdict | None:
        while True:
            self._check()
            self._begin_what_can()
            if not self._running:
                if not self._parked and not self._plan.is_waiting_to_start:
                    return Verdict.success()
                if not self._has_time:
                    return self._hand_on()
                self._wait()
                continue
            event = self._owner.next_event(self._mailbox, self._next_look())
            self._take_in([event] if event else [])
            self._stop_overdue()
            self._look_at_waits()
            self._show()

    @property
    def _has_time(self) -> bool:
        return self._deadline.seconds_left >= _NEEDED_SECONDS

    def _check(self) -> None:
        if self._failure:
            raise _RunFailed(self._failure)
        if self._bytes > MOST_BYTES:
            raise _RunFailed(Verdict.failure("values_too_large", f"Its values have more than {MOST_BYTES:,} bytes."))
        if to_millis(self._clock.now()) >= self._ends_at:
            raise _RunFailed(Verdict.failure("run_time_over", "The time that a run may take is over."))

    def _next_look(self) -> float:
        due = [one.started_at + MAX_TOOL_WAIT_SECONDS for one in self._running.values()]
        due += [one.wait.until / 1000 for one in self._parked.values() if self._has_time]
        due += [self._clock.now() + _DRAWN_SECONDS, self._ends_at / 1000]
        shown = self._progress.due_at
        return min([*due, *([shown] if shown is not None else [])])

    def _show(self) -> None:
        for part in self._progress.due():
            self._owner.emit(part)

    # -- beginning -----------------------------------------------------------------------------

    def _begin_what_can(self) -> None:
        if not self._has_time:
            return
        begun: list[tuple[int, Underway, Begin]] = []
        while len(self._running) + len(self._waiting) < MOST_AT_ONCE and self._plan.is_waiting_to_start:
            if self._plan.ended + len(self._running) + len(self._waiting) >= MOST_EXECUTIONS:
                message = f"It has more than {MOST_EXECUTIONS:,} executions."
                raise _RunFailed(Verdict.failure("too_many_executions", message))
            begun += self._begin(self._plan.take())
        self._launch(begun)

    def _begin(self, ready: Ready) -> list[tuple[int, Underway, Begin]]:
        """An execution that comes next: how to run it, unless it waits, or has failed already."""
        now = self._clock.now()
        one, number = Underway(ready, now, began_at=now), self._begun
        self._begun += 1
        self._running[number] = one
        self._progress.begins(ready.node.id)
        return self._prepared(number, one)

    def _prepared(self, number: int, one: Underway) -> list[tuple[int, Underway, Begin]]:
        try:
            begin = self._how(number, one)
        except ToolError as error:
            self._mailbox.put(_Reported(number, Failed.of(error)))
            return []
        return [(number, one, begin)] if begin else []

    def _how(self, number: int, one: Underway) -> Begin | None:
        """What is to be called; None if it waits.

        Raises:
            ToolError: it can't be run.
        """
        block, journal = self._bench.find_block(one.ready.node.block_id), self._journal.get(one.ready.id)
        if block is None:
            raise ToolError("There is no such block any more.", code="unknown_block")
        given = gathered_inputs(one.ready, self._inputs)
        one.block, one.shown_inputs = block, shown(given)
        inputs = one.inputs = read(block, given)
        if not self._permissions.allows_block(block.named()):
            raise ToolError(f"{block.name} is not allowed here.", code="block_not_allowed")
        if not block.is_available(self._bench.blocks):
            raise ToolError(f"{block.name} is not available in this deployment.", code="block_unavailable")
        if journal and journal["status"] == "waiting":
            del self._journal[one.ready.id]
            wait = Wait.from_item(journal)
            one.asks = _ASKS in wait.note
            one.price = 0 if one.asks or self._owner.task.dry_run else block.price_credits
            self._park(number, one, wait, stored=True)
            return None
        dry_run = self._owner.task.dry_run
        if journal and not dry_run and block.takes_effect(inputs):
            raise ToolError(
                "It was started, and then interrupted. It may have taken effect or not.", code="outcome_unknown"
            )
        if not dry_run and block.asks_first(inputs) and not self._approved(number, one):
            return None
        self._require_credits(one)
        context, inputs = self._context(one), one.inputs  # as they were approved
        return lambda: block.rehearse(context, inputs) if dry_run else block.run(context, inputs)

    def _approved(self, number: int, one: Underway) -> bool:
        """Whether the user has approved it; else it waits for that."""
        assert one.block, "it has been looked up"
        assert one.inputs, "they have been read"
        if self._bench.reviews is None:
            raise ToolError(f"{one.block.name} needs the user's approval, and cannot ask.", code="review_unavailable")
        said = self._bench.reviews.ask(self._call(one), one.block, one.inputs)
        one.asks = isinstance(said, Wait)
        if isinstance(said, Wait):
            self._park(number, one, replace(said, note={**said.note, _ASKS: True}))
            return False
        one.inputs, one.shown_inputs = said, shown(said.model_dump(mode="json", exclude_unset=True))
        return True

    def _require_credits(self, one: Underway) -> None:
        """What runs beside it is not charged yet, and counts."""
        assert one.block, "it has been looked up"
        price = one.block.price_credits
        if price <= 0 or self._owner.task.dry_run:
            return
        others = sum(other.price for other in (*self._running.values(), *self._waiting.values()))
        balance = self._credits.balance(self._owner.task.user_id)
        if balance - others < price:
            message = f"{one.block.name} costs {price} credits, and there are {max(0, balance - others)}."
            raise ToolError(message, code="insufficient_credits")
        one.price = price

    def _launch(self, begun: Sequence[tuple[int, Underway, Begin]]) -> None:
        """Note down which executions with an outside effect are about to start, and start them all."""
        puts: list[Write] = []
        for _, one, _ in begun:
            assert one.block, "it has been looked up"
            if not self._owner.task.dry_run and one.block.takes_effect(one.inputs):
                key = call_key(self._owner.task.id, one.ready.id)
                row = {**key, **self._owner.task.expiry, "v": 1, "name": one.block.name, "status": "started"}
                puts.append(Put(row))
        if puts:
            self._owner.commit(puts)
        for number, one, begin in begun:
            self._start(number, one, begin)

    def _start(self, number: int, one: Underway, begin: Begin) -> None:
        services, mailbox, context = self._services, self._mailbox, self._context(one)
        block, inputs = one.block, one.inputs
        assert block, "it has been looked up"
        assert inputs, "they have been read"

        def work() -> None:
            try:
                mailbox.put(_Reported(number, answer(services, block, context, inputs, begin)))
            except LeaseLost:  # the owner finds out by itself
                return

        self._bench.workers.start(f"block-{one.ready.id}", work)

    def _context(self, one: Underway) -> BlockContext:
        return BlockContext(self._call(one), self._bench.blocks, self._permissions)

    def _call(self, one: Underway) -> ToolContext:
        task = self._owner.task
        return ToolContext(
            user_id=task.user_id,
            session_id=task.session_id,
            task_id=task.id,
            tool_call_id=one.ready.id,
            cancellation=one.cancellation,
            dry_run=task.dry_run,
            permissions=self._permissions,
            progress=one.progress,
        )

    # -- taking in -----------------------------------------------------------------------------

    def _take_in(self, events: list[_Reported]) -> None:
        """Store what has ended, and remember what waits."""
        while (more := self._mailbox.get(0)) is not None:
            events.append(more)
        ended: list[tuple[Underway, Brought | Failed]] = []
        for event in events:
            one = self._running.get(event.number)
            if one is None:  # it was stopped at the cap
                continue
            if isinstance(event.answer, Wait):
                self._park(event.number, one, event.answer)
            else:
                del self._running[event.number]
                ended.append((one, event.answer))
        self._parking.keep(self._parked)
        for group in _portions(ended):
            self._store(group)

    def _store(self, group: Sequence[tuple[Underway, Brought | Failed]]) -> None:
        task, now = self._owner.task, to_millis(self._clock.now())
        self._charge(group)
        rows = [self._row(one, result, self._plan.ended + at, now) for at, (one, result) in enumerate(group)]
        for (one, _), row in zip(group, rows, strict=True):
            self._owner.take_note(one.news_of_spend())
            self._progress.ends(one.ready.node.id, row.status)
        self._note_spend()
        self._owner.take_note(Spend(steps=len(rows)))
        self._show()
        credits = self.credits + sum(row.credits for row in rows)
        also_set, values = (", #credits = :credits", {"credits": credits}) if credits else ("", {})
        writes: list[Write] = [put for row in rows for put in row.puts(task)]
        writes += [Delete(call_key(task.id, one.ready.id)) for one, _ in group if one.has_waited]
        self._owner.commit(writes, also_set=also_set, values=dict(values))
        self.credits = credits
        for (one, result), row in zip(group, rows, strict=True):
            self._bytes += row.size
            self._plan.end(row.node_id, row.index, _values(result))
            self._failure = self._failure or self._fatal(row)
            log_event(
                "block.finished",
                **task.ids,
                tool_call_id=one.ready.id,
                block_id=row.block_id,
                outcome=row.error_code or "ok",
                seconds=round(self._clock.now() - one.began_at, 3),
            )

    def _charge(self, group: Sequence[tuple[Underway, Brought | Failed]]) -> None:
        """Before it is stored: what is repeated after a kill is charged once, and what is stored is not repeated."""
        task = self._owner.task
        for one, result in group:
            if isinstance(result, Brought) and one.block and one.price:
                self._credits.charge(task.user_id, f"{task.id}#{one.ready.id}", one.price, one.block.name)

    def _row(self, one: Underway, result: Brought | Failed, order: int, now: int) -> Execution:
        failed = result if isinstance(result, Failed) else Failed("", "")
        return Execution(
            node_id=one.ready.node.id,
            index=one.ready.index,
            order=order,
            status="failed" if isinstance(result, Failed) else "completed",
            block_id=one.ready.node.block_id,
            outputs=result.text if isinstance(result, Brought) else written(_values(result)),
            consumed=one.ready.consumed,
            inputs=one.shown_inputs,
            started_at=to_millis(one.began_at),
            ended_at=now,
            credits=one.price if isinstance(result, Brought) else 0,
            spend=one.progress.spent,
            error=failed.message,
            error_code=failed.code,
        )

    def _fatal(self, row: Execution) -> Verdict | None:
        """How the run ends by an execution that failed; None if it didn't, or somebody takes its failure."""
        if row.status != "failed" or self._plan.links_error(row.node_id):
            return None
        block = self._bench.find_block(row.block_id)
        name = block.name if block else row.block_id
        verdict = Verdict.failure(row.error_code, f"{name} ({row.node_id}) failed: {row.error}")
        return replace(verdict, node_id=row.node_id, block=name)

    def _gathers_of(self, block_id: str) -> Gathers:
        block = self._bench.find_block(block_id)
        return block.gathers if block else {}

    def _note_spend(self) -> None:
        """What those that still run have used of the model, and stored: the next write must not undo it."""
        for one in self._running.values():
            self._owner.take_note(one.news_of_spend())

    def _stop_overdue(self) -> None:
        now = self._clock.now()
        for number, one in list(self._running.items()):
            if now >= one.started_at + MAX_TOOL_WAIT_SECONDS:
                one.cancellation.cancel()
                message = f"It was stopped after {MAX_TOOL_WAIT_SECONDS} s."
                del self._running[number]
                self._store([(one, Failed("block_timeout", message))])

    # -- waiting -------------------------------------------------------------------------------

    def _park(self, number: int, one: Underway, wait: Wait, *, stored: bool = False) -> None:
        assert one.block, "it has been looked up"
        del self._running[number]
        self._waiting[number] = one
        one.has_waited = True
        self._parked[number] = Suspended(number, ToolCall(one.ready.id, one.block.name, "{}"), wait, stored)
        self._progress.waits(one.ready.node.id)

    def _look_at_waits(self) -> None:
        """Let those go on whose wait is over, while others run."""
        now = to_millis(self._clock.now())
        due = any(one.wait.until <= now for one in self._parked.values())
        if self._parked and self._has_time and (due or self._owner.has_pending_news):
            self._owner.has_pending_news = False
            self._resume(self._parking.taken_out(self._parked))

    def _wait(self) -> None:
        """Nothing is left to do but wait: let go of the run, unless something is over by now."""
        self._owner.has_pending_news = False
        over = self._parking.taken_out(self._parked)
        if not over:
            waits = [one.wait for one in self._parked.values()]
            self._say("review" if reviews_among(waits) else "waiting")
            for part in self._progress.all():
                self._owner.emit(part)
            over = self._parking.over(self._parked)
        self._resume(over)

    def _say(self, status: RunStatus) -> None:
        """Show where the run is, if viewers don't know."""
        if status != self._status:
            self._status = status
            self._owner.emit(status_part(self._owner.task.id, status))

    def _resume(self, over: Sequence[Suspended]) -> None:
        begun: list[tuple[int, Underway, Begin]] = []
        for suspended in over:
            one = self._waiting.pop(suspended.seq)
            self._running[suspended.seq] = one
            one.started_at = self._clock.now()
            self._say("running")
            self._progress.goes_on(one.ready.node.id)
            if one.asks:
                begun += self._prepared(suspended.seq, one)
            else:
                self._start(suspended.seq, one, self._going_on(one, suspended.wait))
        self._launch(begun)

    def _going_on(self, one: Underway, wait: Wait) -> Begin:
        block, inputs, context = one.block, one.inputs, self._context(one)
        assert block, "it has been looked up"
        return lambda: block.resume(context, inputs, wait.note)

    def _hand_on(self) -> Verdict | None:
        """Let another invocation go on."""
        owner = self._owner
        self._parking.keep(self._parked)
        for part in self._progress.all():
            owner.emit(part)
        while not owner.hand_on():
            owner.look()
        self._services.queue.send(owner.task.id, owner.task.user_id, kind=owner.task.kind)
        log_event("turn.continued", **owner.task.ids, epoch=owner.task.epoch, steps=owner.spend.steps)
        return None


def _values(result: Brought | Failed) -> Values:
    return {ERROR_PIN: [result.message]} if isinstance(result, Failed) else result.outputs


def _portions(
    ended: Sequence[tuple[Underway, Brought | Failed]],
) -> Iterator[list[tuple[Underway, Brought | Failed]]]:
    """Groups that one transaction can hold."""
    group: list[tuple[Underway, Brought | Failed]] = []
    size = 0
    for one in ended:
        length = len(one[1].text.encode()) if isinstance(one[1], Brought) else 0
        if group and (size + length > _GROUP_BYTES or len(group) >= _GROUP_ROWS):
            yield group
            group, size = [], 0
        group.append(one)
        size += length
    if group:
        yield group
