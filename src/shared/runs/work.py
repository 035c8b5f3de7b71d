"""Advancing a run by as much as this invocation can: under a lease, up to 16 executions at once, and not for ever.

One thread owns the run; each execution runs in a thread of its own and reports to a mailbox. What has ended is stored
in groups. What waits is journalled; when nothing else is left to do, nobody works on the run until it is woken.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from shared.agents.graphs.model import Graph
from shared.agents.library.records import library_key
from shared.agents.library.versions import GraphVersions
from shared.agents.running import RunStatus
from shared.aws.writes import Item, Put, Write
from shared.chat.services import Services
from shared.chat.turn.owner import TurnCancelled, TurnOwner
from shared.chat.turn.parking import TurnParked
from shared.kernel.clock import to_millis
from shared.kernel.deadline import Deadline
from shared.kernel.errors import NotFound, ToolError
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.mailbox import Mailbox
from shared.kernel.telemetry import log_event, log_problem
from shared.runs.calling import Answer, Begin, Failed, Underway, answer
from shared.runs.ending import Ending, Verdict, run_owner, time_over_at
from shared.runs.keeping import Ended, Keeping, note_spend
from shared.runs.plan import Gathers, Plan, Ready
from shared.runs.preparing import Held, Preparing, RunBench
from shared.runs.records import Run, executions_among, load_run
from shared.runs.stream import Progress, last_status, opening_parts, status_part
from shared.runs.waiting import MOST_WAITING, Waits
from shared.stream.parts import Part
from shared.tasks.lease import LeaseLost
from shared.tasks.lineage import is_orphan
from shared.tasks.records import call_key
from shared.tasks.store import get_task
from shared.tasks.wait import Wait

MOST_AT_ONCE = 16
"""Executions that run."""
MOST_EXECUTIONS = 10_000
MOST_BYTES = 20_000_000
"""Of all values of a run."""
MOST_RUN_PARTS = 1_000_000
"""Values of a run, those within others included: all of them are in memory while it is worked on."""
_NEEDED_SECONDS = MAX_TOOL_WAIT_SECONDS + 60.0
"""An execution begins only with so much of the invocation left: it ends, or is ended, and is stored."""
_DRAWN_SECONDS = 60.0
"""How long the owner listens at most before it looks around."""


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
        self._preparing = Preparing(services, bench, owner.task, run, records)
        self._ends_at = time_over_at(services, owner.task)
        self._waits = Waits(services, owner, run, self._ends_at)
        self._mailbox: Mailbox[_Reported] = bench.workers.mailbox()
        self._running: dict[int, Underway] = {}
        self._begun = 0
        self._status = last_status(owner.parts)
        ended = executions_among(records)
        self._plan = Plan(graph, self._gathers_of)
        self._plan.replay((one.node_id, one.index, json.loads(one.outputs)) for one in ended)
        self._keeping = Keeping(services, owner, bench.find_block, self._plan, ended)
        self._progress = Progress(graph, bench.find_block, services.clock, ended)

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

    @property
    def credits(self) -> int:
        """What it has cost its user."""
        return self._keeping.credits

    def last_words(self) -> list[Part]:
        """What viewers have not been shown yet."""
        return self._progress.nothing_runs()

    def _cancel_all(self) -> None:
        for one in self._running.values():
            one.cancellation.cancel()
        note_spend(self._owner, self._running.values())

    # -- the loop ------------------------------------------------------------------------------

    def _go_on(self) -> Verdict | None:
        while True:
            self._check()
            if self._has_time:
                self._resume_what_can()
                self._begin_what_can()
            if not self._running:
                if not self._waits and not self._plan.is_waiting_to_start:
                    return Verdict.success()
                if not self._has_time:
                    return self._hand_on()
                self._wait()
                continue
            event = self._owner.next_event(self._mailbox, self._next_look())
            self._take_in([event] if event else [])
            self._stop_overdue()
            self._waits.look()
            self._show()

    @property
    def _has_time(self) -> bool:
        return self._deadline.seconds_left >= _NEEDED_SECONDS

    def _check(self) -> None:
        if self._keeping.failure:
            raise _RunFailed(self._keeping.failure)
        if self._keeping.bytes > MOST_BYTES:
            raise _RunFailed(Verdict.failure("values_too_large", f"Its values have more than {MOST_BYTES:,} bytes."))
        if self._keeping.parts > MOST_RUN_PARTS:
            raise _RunFailed(Verdict.failure("values_too_large", f"It has more than {MOST_RUN_PARTS:,} values."))
        if to_millis(self._clock.now()) >= self._ends_at:
            raise _RunFailed(Verdict.failure("run_time_over", "The time that a run may take is over."))

    def _next_look(self) -> float:
        due = [one.started_at + MAX_TOOL_WAIT_SECONDS for one in self._running.values()]
        due += self._waits.deadlines if self._has_time else []
        due += [self._clock.now() + _DRAWN_SECONDS, self._ends_at / 1000]
        shown = self._progress.due_at
        return min([*due, *([shown] if shown is not None else [])])

    def _show(self) -> None:
        for part in self._progress.due():
            self._owner.emit(part)

    # -- beginning -----------------------------------------------------------------------------

    def _begin_what_can(self) -> None:
        begun: list[tuple[int, Underway, Begin]] = []
        while len(self._running) < MOST_AT_ONCE and len(self._waits) < MOST_WAITING and self._plan.is_waiting_to_start:
            if self._plan.ended + len(self._running) + len(self._waits) >= MOST_EXECUTIONS:
                message = f"It has more than {MOST_EXECUTIONS:,} executions."
                raise _RunFailed(Verdict.failure("too_many_executions", message))
            begun += self._begin(self._plan.take())
            self._owner.attend()  # asking its user about many takes longer than a lease lasts
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
        beside = [*self._running.values(), *self._waits.executions]
        try:
            begin = self._preparing.how(one, beside)
        except ToolError as error:
            self._mailbox.put(_Reported(number, Failed.of(error)))
            return []
        if isinstance(begin, Held):
            self._park(number, one, begin.wait, stored=begin.stored)
            return []
        return [(number, one, begin)]

    def _launch(self, begun: Sequence[tuple[int, Underway, Begin]]) -> None:
        """Note down which executions with an outside effect are about to start, and start them all."""
        puts: list[Write] = []
        for _, one, _ in begun:
            assert one.block, "it has been looked up"
            if not self._owner.task.dry_run and one.block.takes_effect(one.inputs):
                key = call_key(self._owner.task.id, one.ready.id)
                row = {**key, **self._owner.task.expiry, "v": 1, "name": one.block.name, "status": "started"}
                puts.append(Put({**one.kept(), **row}))
        if puts:
            self._owner.commit(puts)
        for number, one, begin in begun:
            self._start(number, one, begin)

    def _start(self, number: int, one: Underway, begin: Begin) -> None:
        services, mailbox, context = self._services, self._mailbox, self._preparing.context(one)

        def work() -> None:
            try:
                mailbox.put(_Reported(number, answer(services, one, context, begin)))
            except LeaseLost:  # the owner finds out by itself
                return

        self._bench.workers.start(f"block-{one.ready.id}", work)

    # -- taking in -----------------------------------------------------------------------------

    def _take_in(self, events: list[_Reported]) -> None:
        """Store what has ended, and remember what waits."""
        while (more := self._mailbox.get(0)) is not None:
            events.append(more)
        ended: list[Ended] = []
        for event in events:
            one = self._running.get(event.number)
            if one is None:  # it was stopped at the cap
                continue
            if isinstance(event.answer, Wait):
                self._park(event.number, one, event.answer)
            else:
                del self._running[event.number]
                ended.append((one, event.answer))
        self._waits.keep()
        self._keeping.keep(ended, self._progress, self._running.values())

    def _gathers_of(self, block_id: str) -> Gathers:
        block = self._bench.find_block(block_id)
        return block.gathers if block else {}

    def _stop_overdue(self) -> None:
        now = self._clock.now()
        for number, one in list(self._running.items()):
            if now >= one.started_at + MAX_TOOL_WAIT_SECONDS:
                one.cancellation.cancel()
                message = f"It was stopped after {MAX_TOOL_WAIT_SECONDS} s."
                del self._running[number]
                self._keeping.keep([(one, Failed("block_timeout", message))], self._progress, self._running.values())

    # -- waiting -------------------------------------------------------------------------------

    def _park(self, number: int, one: Underway, wait: Wait, *, stored: bool = False) -> None:
        del self._running[number]
        self._waits.add(number, one, wait, stored=stored)
        self._progress.waits(one.ready.node.id)

    def _wait(self) -> None:
        """Nothing is left to do but wait: let go of the run, unless something is over by now."""
        self._waits.look(even_without_news=True)
        if self._waits.any_over:
            return
        self._say("review" if self._waits.ask_user else "waiting")
        for part in self._progress.all():
            self._owner.emit(part)
        self._waits.let_go()

    def _say(self, status: RunStatus) -> None:
        """Show where the run is, if viewers don't know."""
        if status != self._status:
            self._status = status
            self._owner.emit(status_part(self._owner.task.id, status))

    def _resume_what_can(self) -> None:
        begun: list[tuple[int, Underway, Begin]] = []
        for waited in self._waits.take(MOST_AT_ONCE - len(self._running)):
            one = waited.one
            self._running[waited.number] = one
            one.started_at = self._clock.now()
            self._say("running")
            self._progress.goes_on(one.ready.node.id)
            if one.begins_anew:
                begun += self._prepared(waited.number, one)
            else:
                self._start(waited.number, one, self._going_on(one))
        self._launch(begun)

    def _going_on(self, one: Underway) -> Begin:
        block, inputs, note, context = one.block, one.inputs, one.note or {}, self._preparing.context(one)
        assert block, "it has been looked up"
        return lambda: block.resume(context, inputs, note)

    def _hand_on(self) -> Verdict | None:
        """Let another invocation go on."""
        owner = self._owner
        self._waits.keep()
        for part in self._progress.all():
            owner.emit(part)
        while not owner.hand_on():
            owner.look()
        self._services.queue.send(owner.task.id, owner.task.user_id, kind=owner.task.kind)
        log_event("turn.continued", **owner.task.ids, epoch=owner.task.epoch, steps=owner.spend.steps)
        return None
