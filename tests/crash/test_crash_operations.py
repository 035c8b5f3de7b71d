"""The same for operations: a fault at every call to AWS from the call of a long-running tool to the continuation.

A service that has taken work over tells its outcome until it is answered.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from shared.chat.model import ModelRequest, TextDelta
from shared.chat.operations.completing import complete_operation
from shared.kernel.errors import ParleyError
from shared.tasks.records import TaskStatus
from shared.tools.long_running import HandedOff, WorkContext
from tests.crash.test_crash import EVERY, World, worth_striking
from tests.support.checks import check_dense_rows, check_over
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.grammar import check_request, check_stream, check_transcript
from tests.support.model import Script, calls, says
from tests.support.region import Parley, build_parley
from tests.support.sockets import shown_text
from tests.support.tools import Survey


@dataclass
class OperationWorld(World):
    """A world with a tool whose work takes long, here or elsewhere."""

    elsewhere: bool = False
    handed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.survey = Survey(self._hand_over if self.elsewhere else None)
        self.parley.with_tools(self.send, self.echo, self.survey)

    def _hand_over(self, context: WorkContext, _: str) -> HandedOff:
        self.handed.append(context.operation_id)
        return HandedOff()

    def drain(self) -> None:
        """Workers of both queues take messages, and the service calls back."""
        super().drain()
        while tasks := self.parley.runs_waiting():
            for task_id in tasks:
                self._run(task_id)
            super().drain()
        self._call_back()

    def _run(self, task_id: str) -> None:
        if task_id not in self.tasks:
            self.tasks.append(task_id)
        try:
            self.parley.run(task_id)
        except (Killed, ParleyError):
            return

    def _call_back(self) -> None:
        """Told again until there is an answer; then once more, with another outcome."""
        for operation_id in dict.fromkeys(self.handed):
            if not self.first_time(f"told {operation_id}"):
                continue
            for success in (True, True, True, False):
                try:
                    complete_operation(self.parley.services, operation_id, success=success, result="r", error="e")
                except (Killed, ParleyError):
                    continue
            self.drain()

    def operations(self) -> list[str]:
        """The tasks that are operations."""
        return [task_id for task_id in self.tasks if self.parley.task(task_id).kind == "operation"]

    def check(self) -> None:
        """The tenets, and what an operation adds to them."""
        session = self.parley.session(self.session.id)
        assert session.active_task is None
        assert (session.pending_count, session.notices, session.operations) == (0, 0, frozenset())
        operations = self.operations()
        assert len(operations) == 1
        task = self.parley.task(operations[0])
        assert (task.status, task.lease_expires) == (TaskStatus.COMPLETED, 0)
        check_stream(self.parley.parts(task.id), steps=False)
        check_dense_rows(self.parley, task.id)
        check_transcript(self.parley.transcript(session))
        for request in self.parley.model.requests:
            check_request(request.messages)
        for turn in set(self.tasks) - {task.id}:
            check_over(self.parley, session, turn)

    def heard(self) -> list[tuple[str, Any]]:
        """The transcript without the notice's ids."""
        return [(role, content if role != "system" else "notice") for role, content in self.rows()]

    def told(self) -> list[str]:
        """What readers of the turns see."""
        return [shown_text(self.parley.parts(t)) for t in self.tasks if self.parley.task(t).kind == "turn"]


Answer = Callable[[World, ModelRequest], Script]


def begun(world: World, request: ModelRequest) -> Script:
    """A call of the tool, a word about it, and another one when it has ended."""
    roles = [message["role"] for message in request.messages]
    if "tool" not in roles:
        return [TextDelta("Let me ask. "), 0.5, *calls(("c1", "survey", '{"text":"rivers"}'))]
    return [0.3, *says("All done" if roles[-1] == "system" else "On its way")]


TURNS: dict[str, tuple[Answer, bool]] = {
    "here": (begun, False),
    "elsewhere": (begun, True),
}


@pytest.fixture(scope="module")
def parley() -> Iterator[Parley]:
    """One deployment for all; each run gets empty tables."""
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield build_parley()
    patch.undo()


def run(parley: Parley, name: str, fault_at: int | None, fault: FaultKind) -> OperationWorld:
    """The turn, disturbed at one call, and what follows."""
    answer, elsewhere = TURNS[name]
    parley.wipe()
    parley.clock.advance(1_000)
    world = OperationWorld(parley, answer, elsewhere=elsewhere)
    parley.watch.reset(fault_at, fault)
    world.say()
    world.minutes()
    return world


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize("name", TURNS)
def test_a_fault_at_any_call_of_an_operation_changes_nothing_in_the_end(
    parley: Parley, name: str, kind: FaultKind
) -> None:
    """One operation, one output in its place, and one notice, which the last answer is about."""
    undisturbed = run(parley, name, None, kind)
    calls_made = list(parley.watch.calls)
    undisturbed.check()
    results = [row for row in undisturbed.heard() if row[0] in {"tool", "system"}]
    assert undisturbed.told() == ["Let me ask. On its way", "All done"]
    assert len(results) == 2
    for at in worth_striking(calls_made)[FAULT_KINDS.index(kind) % EVERY :: EVERY]:
        try:
            world = run(parley, name, at, kind)
            world.check()
            # The operation may end while a turn that was killed comes back: then that turn hears of it.
            assert world.told()[-1].endswith("All done")
            assert [row for row in world.heard() if row[0] in {"tool", "system"}] == results
        except (AssertionError, Exception) as problem:
            problem.add_note(f"{kind} at call {at} of {len(calls_made)}: {parley.watch.calls[max(0, at - 3) : at + 1]}")
            raise
