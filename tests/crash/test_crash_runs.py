"""The same for runs of agents: a fault at every call to AWS from the start of a run to its end.

Whoever starts a run asks again until there is an answer. However often workers die, each effect of our own happens
once, one elsewhere at most once, and the outputs are those of an undisturbed run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from shared.accounts.credits import Credits
from shared.agents.graphs.model import Graph
from shared.agents.running import RunFilter, RunView
from shared.kernel.errors import ParleyError
from shared.tasks.lineage import children_of
from shared.tasks.records import Task
from shared.tasks.wait import Wait
from tests.crash.test_crash import EVERY, worth_striking
from tests.support.checks import check_dense_rows
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.grammar import check_stream
from tests.support.model import says
from tests.support.region import Parley, build_parley
from tests.support.runs import Agents, Paid, Probe, Send, given, graph, node, result
from tests.support.workspace import Desk, build_desk

RUN = "01JXRUN0000000000000000000"
GRANTED = 100


@dataclass
class RunWorld:
    """A deployment, an agent, and somebody who starts it."""

    parley: Parley
    made_of: Graph
    desk: Desk
    send: Send = field(init=False)
    agents: Agents = field(init=False)

    def __post_init__(self) -> None:
        self.send = Send()
        self.parley.model.choose = lambda _: [0.3, *says("a river")]
        self.parley.with_limits(run_max_tokens=100_000)
        self.agents = Agents(self.parley, files=self.desk.workspace, blocks=[Probe(self._wait), self.send, Paid()])
        with self.parley.watch.paused():
            Credits(self.parley.database, self.parley.clock).grant("ada", GRANTED, "g1")
            self.agents.agent(INNER, agent_id="inner")
            self.agent = self.agents.agent(self.made_of, agent_id="outer")

    def _wait(self, _: Any, value: Any) -> Any:
        """A minute, then go on with what it was given."""
        if isinstance(value, dict) and "kept" in value:
            return value["kept"]
        return Wait((), int(self.parley.clock.now() * 1000) + 60_000, note={"kept": value})

    def start(self) -> None:
        """Whoever is refused or cut off tries again."""
        for _ in range(3):
            try:
                self.agents.runs.start(self.agents.request(self.agent, {"X": "mail"}, run_id=RUN))
            except (Killed, ParleyError):
                continue
            return
        raise AssertionError("three faults in a row")

    def minutes(self) -> None:
        """The tick comes each minute until nothing is left to do."""
        self._work()
        for _ in range(60):
            if self._over():
                return
            self.parley.clock.advance(60)
            try:
                self.parley.sweep()
            except (Killed, ParleyError):
                continue
            self._work()
        raise AssertionError("it never ends")

    def _over(self) -> bool:
        """Whether every run has ended and was delivered. A timer that a newer one replaced may lie a month ahead."""
        with self.parley.watch.paused():
            runs = [self.parley.task(run.id) for run in self.agents.runs.recent("ada", RunFilter(limit=100))]
            tasks = [*runs, *(self.parley.task(child) for run in runs for child in self._children(run))]
        return all(task.status.ended and task.lease_expires == 0 for task in tasks)

    def _children(self, run: Task) -> list[str]:
        return list(children_of(self.parley.database, run))

    def _work(self) -> None:
        while True:
            runs, turns = self.parley.runs_waiting(), self.parley.messages_waiting()
            tasks = [*((self.parley.run, one) for one in runs), *((self.parley.work, one) for one in turns)]
            for work, task_id in tasks:
                try:
                    work(task_id)
                except (Killed, ParleyError):
                    continue
            try:
                changed = self.parley.state_changes()
            except (Killed, ParleyError):
                return
            if not tasks and not changed:
                return

    def check(self) -> RunView:
        """What must hold however it came."""
        with self.parley.watch.paused():
            for run in self.agents.runs.recent("ada", RunFilter(limit=100)):
                assert run.ended, run
                task = self.parley.task(run.id)
                assert task.lease_expires == 0
                check_stream(self.parley.parts(run.id), steps=False)
                check_dense_rows(self.parley, run.id)
                ids = [(one.node_id, one.index) for one in self.agents.nodes(run.id)]
                assert len(ids) == len(set(ids))
            assert self.parley.pool("runs:ada").running == frozenset()
            assert len(self.send.calls) == len({call for call, _ in self.send.calls}), "sent twice"
            assert len(self._children(self.parley.task(RUN))) <= 1, "begun twice"
            return self.agents.look(RUN)

    def paid(self) -> int:
        with self.parley.watch.paused():
            return GRANTED - Credits(self.parley.database, self.parley.clock).balance("ada")


PAYS = [given("in", "X"), node("pay", "paid"), result("out", "Y")]
INNER = graph(PAYS, "in.value > pay.value", "pay.value > out.value")

RUNS: Mapping[str, tuple[Sequence[Any], Sequence[str]]] = {
    "a row with an effect": (
        [
            given("in", "X"),
            node("s", "send"),
            node("m", "Ask a model", prompt="?"),
            result("out", "Y"),
            result("e", "E"),
        ],
        ["in.value > s.value", "s.value > m.system", "m.response > out.value", "s.error > e.value"],
    ),
    "a loop of what is paid": (
        [
            node("loop", "Loop over a list", items=["a", "b", "c"]),
            node("pay", "paid"),
            node("all", "Merge"),
            result("out", "Y"),
        ],
        ["loop.item > pay.value", "pay.value > all.values", "all.values > out.value"],
    ),
    "waits beside each other": (
        [
            node("loop", "Loop over a list", items=["a", "b"]),
            node("w", "probe"),
            node("s", "send"),
            result("out", "Y"),
            result("e", "E"),
        ],
        ["loop.item > w.value", "w.value > s.value", "s.value > out.value", "s.error > e.value"],
    ),
    "an agent in an agent": (
        [node("run", "Run agent", library_agent_id="inner", inputs={"X": "x"}), result("out", "Y")],
        ["run.outputs > out.value"],
    ),
    "a sub-session": (
        [node("ap", "AutoPilot", prompt="Where does it flow?"), result("out", "Y")],
        ["ap.response > out.value"],
    ),
    "a file": (
        [given("in", "X"), node("file", "Store a file", path="x.md"), result("out", "Y")],
        ["in.value > file.content", "file.path > out.value"],
    ),
}


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Parley, Desk]]:
    """One deployment for all, with a bucket; each run gets empty tables."""
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        built = build_parley()
        built.with_runs(2, 10)
        with built.watch.paused():
            desk = build_desk(built.database, built.clock, built.watch)
        yield built, desk
    patch.undo()


def run(place: tuple[Parley, Desk], name: str, fault_at: int | None, fault: FaultKind) -> RunWorld:
    """The run, disturbed at one call, and what follows."""
    parley, desk = place
    nodes, links = RUNS[name]
    parley.wipe()
    parley.clock.advance(1_000)
    world = RunWorld(parley, graph(nodes, *links), desk)
    parley.watch.reset(fault_at, fault)
    world.start()
    world.minutes()
    return world


def outcome(run: RunView, world: RunWorld) -> tuple[Any, ...]:
    """What must be as in an undisturbed run, but for what became of effects elsewhere that were cut off."""
    return run.status, run.outputs, run.nodes_done, run.credits, world.paid(), world.desk.used()


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize("name", RUNS)
def test_a_fault_at_any_call_of_a_run_changes_nothing_in_the_end(
    place: tuple[Parley, Desk], name: str, kind: FaultKind
) -> None:
    """The same outputs and prices; an effect elsewhere that was cut off is not repeated, and its node says so."""
    parley, undisturbed = place[0], run(place, name, None, kind)
    calls_made = list(parley.watch.calls)
    expected = outcome(undisturbed.check(), undisturbed)
    assert expected[0] == "completed"
    every = EVERY * (3 if name == "a sub-session" and EVERY > 1 else 1)  # turns have a matrix of their own
    for at in worth_striking(calls_made)[FAULT_KINDS.index(kind) % every :: every]:
        try:
            world = run(place, name, at, kind)
            ended = world.check()
            if "E" in ended.outputs:
                assert "interrupted" in ended.outputs["E"][0]
                assert ended.status == "completed"
            else:
                assert outcome(ended, world) == expected
        except (AssertionError, Exception) as problem:
            problem.add_note(f"{kind} at call {at} of {len(calls_made)}: {parley.watch.calls[max(0, at - 3) : at + 1]}")
            raise
