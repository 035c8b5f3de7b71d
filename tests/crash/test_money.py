"""A fault at every call to AWS of a turn that costs something: money is counted once, and nothing stays reserved."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto import mock_aws

from shared.accounts.credits import Credits
from shared.chat.model import ModelRequest
from shared.kernel.errors import ParleyError
from shared.kernel.settings import ModelPrice
from tests.crash.test_crash import EVERY, worth_striking
from tests.support.budgets import check_settled
from tests.support.checks import check_over
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.model import Script, calls, says
from tests.support.region import Parley, build_parley
from tests.support.tools import Echo


class Paint(Echo):
    """Costs four credits."""

    name = "paint"
    description = "Paint the text."
    price_credits = 4


@pytest.fixture(scope="module")
def parley() -> Iterator[Parley]:
    """Everything is limited, and everything has a price."""
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        parley = build_parley()
        parley.engine = replace(parley.engine, prices={"scripted": ModelPrice(input=1.0, output=2.0)})
        parley.with_limits(
            turn_max_tokens=500_000, tree_max_tokens=500_000, user_day_max_cost_usd=50, user_week_max_cost_usd=50
        )
        parley.with_tools(Paint())
        parley.model.choose = _answer
        yield parley
    patch.undo()


def _answer(request: ModelRequest) -> Script:
    if any(message["role"] == "tool" for message in request.messages):
        return [0.5, *says("Done")]
    return [0.5, *calls(("c1", "paint", '{"text":"a river"}'))]


def run(parley: Parley, fault_at: int | None, fault: FaultKind) -> None:
    """One turn, disturbed at one call of its workers, and what follows."""
    parley.wipe()
    parley.clock.advance(1_000)
    Credits(parley.database, parley.clock).grant("ada", 10, "g")
    session = parley.new_session()
    task = parley.send(session).task
    parley.watch.reset(fault_at, fault)
    for _ in range(20):
        try:
            parley.drain_queue()
            if parley.timers() == 0:
                break
            parley.clock.advance(20)
            parley.sweep()
        except (Killed, ParleyError):
            continue
    with parley.watch.paused():
        task = check_over(parley, session, task.id, "completed")
        check_settled(parley, task)
        assert Credits(parley.database, parley.clock).balance("ada") == 6


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_fault_at_any_call_leaves_money_counted_once(parley: Parley, kind: FaultKind) -> None:
    """Budgets agree with what the turn says that it has spent, and the tool was charged once."""
    run(parley, None, kind)
    made = list(parley.watch.calls)
    for at in worth_striking(made)[FAULT_KINDS.index(kind) % EVERY :: EVERY]:
        try:
            run(parley, at, kind)
        except (AssertionError, Exception) as problem:
            problem.add_note(f"{kind} at call {at} of {len(made)}: {made[max(0, at - 3) : at + 1]}")
            raise
