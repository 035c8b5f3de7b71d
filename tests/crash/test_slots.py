"""A fault at every call to AWS while turns wait for slots: nobody is stuck, no slot leaks, and all are answered."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from moto import mock_aws

from shared.chat.cancel import cancel_turn
from shared.chat.sessions import Session
from shared.kernel.errors import ParleyError
from tests.crash.test_crash import EVERY, worth_striking
from tests.support.checks import check_over, said
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.model import says
from tests.support.region import Parley, build_parley

RUNNING, IN_FLIGHT = 2, 5


@pytest.fixture(scope="module")
def parley() -> Iterator[Parley]:
    """One deployment for all; each run gets empty tables."""
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        parley = build_parley()
        parley.with_turns(RUNNING, IN_FLIGHT)
        yield parley
    patch.undo()


@dataclass
class Backlog:
    """Four sessions of one user: two turns run, two wait; one that waits is stopped, one session has more to say."""

    parley: Parley
    sessions: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parley.model.choose = lambda _: [0.2, *says("Done")]
        self.sessions = [self.parley.new_session() for _ in range(4)]

    def live(self) -> None:
        """What clients do, and then the minutes until nothing is left to do."""
        for session in self.sessions:
            self._insist(partial(self.parley.send, session))
        self._insist(lambda: self.parley.send(self.sessions[3], "More", "m2"))
        self._insist(lambda: cancel_turn(self.parley.services, "ada", self.sessions[2].id))
        for _ in range(40):
            self._drain()
            if self.parley.timers() == 0:
                return
            self.parley.clock.advance(20)
            self._insist(self.parley.sweep)
        raise AssertionError("never quiet")

    def _insist(self, request: Callable[[], object]) -> None:
        for _ in range(3):
            try:
                request()
            except (Killed, ParleyError):
                continue
            return
        raise AssertionError("three faults in a row")

    def _drain(self) -> None:
        while tasks := self.parley.messages_waiting():
            for task_id in tasks:
                with self.parley.watch.paused():
                    assert len(self.parley.pool().running) <= RUNNING
                try:
                    self.parley.work(task_id)
                except (Killed, ParleyError):
                    continue

    def check(self) -> None:
        """Every turn is over, and nobody holds or awaits a slot."""
        pool = self.parley.pool()
        assert (pool.running, pool.queued) == (set(), set())
        for number, old in enumerate(self.sessions):
            session = self.parley.session(old.id)
            assert session.active_task is None
            check_over(self.parley, session, session.last_task or "", "cancelled" if number == 2 else "completed")
        for number in (0, 1):
            assert said(self.parley.transcript(self.sessions[number])) == [("user", "Hello"), ("assistant", "Done")]
        heard = [text for role, text in said(self.parley.transcript(self.sessions[3])) if role == "user"]
        assert heard == ["Hello", "More"]


def run(parley: Parley, fault_at: int | None, fault: FaultKind) -> Backlog:
    parley.wipe()
    parley.clock.advance(1_000)
    backlog = Backlog(parley)
    parley.watch.reset(fault_at, fault)
    backlog.live()
    parley.watch.fault_at = None  # what is read from here on is the test's
    return backlog


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_fault_at_any_call_leaks_no_slot_and_leaves_nobody_behind(parley: Parley, kind: FaultKind) -> None:
    """Accepting, queueing, ending, promoting, stopping: whatever call it strikes, and however."""
    undisturbed = run(parley, None, kind)
    calls_made = list(parley.watch.calls)
    undisturbed.check()
    for at in worth_striking(calls_made)[FAULT_KINDS.index(kind) % EVERY :: EVERY]:
        try:
            run(parley, at, kind).check()
        except (AssertionError, Exception) as problem:
            problem.add_note(f"{kind} at call {at} of {len(calls_made)}: {parley.watch.calls[max(0, at - 3) : at + 1]}")
            raise
