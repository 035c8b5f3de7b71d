"""A fault at every call to AWS of a tick with a run and a message to start: nothing lost, nothing twice."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from moto import mock_aws

from shared.kernel.errors import ParleyError
from shared.schedules.records import Schedule
from shared.tasks.records import TaskStatus
from tests.crash.test_crash import EVERY, worth_striking
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.model import says
from tests.support.region import Parley, build_parley
from tests.support.runs import Agents
from tests.support.schedules import Planner


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


def run(parley: Parley, fault_at: int | None, fault: FaultKind) -> tuple[list[object], list[str]]:
    """A tick that is disturbed at one call, and the minutes after it; what there is then, and the tick's calls."""
    parley.watch.reset()
    parley.wipe()
    parley.clock.advance(1_000)
    planner = Planner(parley, Agents(parley))
    parley.scripted(says("It has."), says("Title"))
    session = parley.new_session()
    again = planner.agent_schedule({"cron": "0 0 1 1 *"})  # once a year: no second fire comes in between
    planner.store.change("ada", again.id, lambda seen: _due(seen, parley))
    again = planner.again(again)
    planner.message_schedule({"delay_seconds": 60}, session.id)
    parley.clock.advance(61)
    parley.watch.reset(fault_at, fault)
    with suppress(Killed, ParleyError):
        planner.tick()
    calls = list(parley.watch.calls)
    for _ in range(6):
        with suppress(Killed, ParleyError):
            planner.tick()
        with suppress(Killed, ParleyError):
            parley.sweep()
        planner.agents.until_quiet()
        parley.clock.advance(60)
    runs = planner.runs(again)
    assert [parley.task(one.id).status for one in runs] == [TaskStatus.COMPLETED]
    assert planner.store.find("ada", again.id) is not None
    heard = [(row.role, row.content) for row in parley.transcript(session)]
    kept = [(fire.outcome, fire.result, fire.place) for fire in planner.fires(again)]
    return [heard, kept, len(planner.due()), len(planner.store.all("ada"))], calls


def _due(seen: Schedule, parley: Parley) -> Schedule:
    now = int(parley.clock.now() * 1000) + 60_000
    return replace(seen, next_fire=now, due=now)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_fault_at_any_call_of_a_tick_changes_nothing_in_the_end(parley: Parley, kind: FaultKind) -> None:
    """One run, one message, one record of each."""
    undisturbed, calls = run(parley, None, kind)
    assert undisturbed == [
        [("user", "Any news?"), ("assistant", "It has.")],
        [("started", "completed", 0)],
        1,
        1,
    ]
    for at in worth_striking(calls)[FAULT_KINDS.index(kind) % EVERY :: EVERY]:
        try:
            assert run(parley, at, kind)[0] == undisturbed
        except (AssertionError, Exception) as problem:
            problem.add_note(f"{kind} at call {at} of {len(calls)}: {calls[max(0, at - 3) : at + 1]}")
            raise
