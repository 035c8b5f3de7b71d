"""Turns under a budget: what ends them, what they hold, and that nothing stays reserved."""

from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.budgets.amounts import Amount, CallSize
from shared.accounts.budgets.meters import day_of, user_meters
from shared.accounts.budgets.reservations import Budgets
from shared.accounts.budgets.tab import Tab
from shared.aws.writes import Put
from shared.chat.accept import Requester
from shared.chat.cancel import cancel_turn
from shared.chat.model import ModelFailed, ModelFinished, TextDelta
from shared.chat.sessions import Session
from shared.kernel.errors import LimitReached, Retryable
from shared.kernel.settings import ModelPrice
from shared.tasks.records import Task
from shared.tasks.store import request_cancel
from tests.support.budgets import check_settled
from tests.support.checks import check_over, kinds
from tests.support.faults import Killed
from tests.support.model import Script, calls, fails, says
from tests.support.region import Parley
from tests.support.sockets import shown_text
from tests.support.tools import Echo

CALL = calls(("c1", "echo", '{"text":"x"}'))
PLENTY = {
    "turn_max_tokens": 500_000,
    "tree_max_tokens": 500_000,
    "user_day_max_cost_usd": 50,
    "user_week_max_cost_usd": 50,
}


@pytest.fixture
def limited(parley: Parley) -> Parley:
    """Everything is limited, and the model has a price."""
    parley.engine = replace(parley.engine, prices={"scripted": ModelPrice(input=1.0, output=2.0)})
    parley.with_tools(Echo())
    parley.with_limits(**PLENTY)
    return parley


def run(parley: Parley, *scripts: Script, **limits: Any) -> tuple[Session, Task]:
    if limits:
        parley.with_limits(**limits)
    parley.scripted(*scripts)
    session = parley.new_session()
    task = parley.send(session).task
    parley.drain_queue()
    return session, check_over(parley, session, task.id)


def test_every_call_is_reserved_before_and_settled_after(limited: Parley) -> None:
    """By the provider's own numbers, in the transactions that store the steps."""
    _, task = run(limited, CALL, says("Done"))
    assert task.status == "completed"
    assert (task.spend.tokens, task.spend.cost_micros) == (30, 40)
    check_settled(limited, task)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"turn_max_tokens": 3_500}, "turn_budget"),
        ({"turn_max_cost_usd": 0.0035}, "turn_budget"),
        ({"tree_max_tokens": 3_500}, "tree_budget"),
        ({"user_day_max_tokens": 3_500}, "daily_budget"),
        ({"user_week_max_tokens": 3_500}, "weekly_budget"),
    ],
)
def test_a_budget_that_is_used_up_stops_the_turn_with_its_name(
    limited: Parley, limits: dict[str, Any], code: str
) -> None:
    """The first call fits, the second one doesn't: what was done stays, and is paid. Some the user may raise."""
    first = calls(("c1", "echo", '{"text":"x"}'), tokens=(3_000, 200))
    _, task = run(limited, first, says("Never"), **{**limits, "tree_max_cost_usd": 40})
    if code in {"turn_budget", "tree_budget"}:
        assert task.status == "completed"
        assert "data-budget-pause" in kinds(limited.parts(task.id))
    else:
        assert (task.status, (task.error or {})["code"]) == ("failed", code)
    assert task.spend.tokens == 3_200
    assert len(limited.model.requests) == 1
    check_settled(limited, task)


def test_the_answer_is_as_long_as_is_left(limited: Parley) -> None:
    """The provider is told, so that it can't spend more than was reserved."""
    first = calls(("c1", "echo", '{"text":"x"}'), tokens=(1_000, 100))
    _, task = run(limited, first, says("Done"), turn_max_tokens=4_000, tree_max_tokens=900_000)
    assert task.status == "completed"
    bounds = [request.max_output_tokens for request in limited.model.requests]
    assert bounds[0] is not None
    assert bounds[1] is not None
    assert 256 <= bounds[1] < bounds[0] < 4_000
    check_settled(limited, task)


def test_a_call_waits_for_others_that_hold_the_rest(limited: Parley) -> None:
    """A minute at most; here somebody else's call ends after five seconds."""
    limited.with_limits(user_day_max_tokens=20_000)
    other = limited.send(limited.new_session(), message_id="other").task
    tab = Tab(Budgets(limited.database, limited.clock, limited.services.limits), other.id, 0)
    tab.reserve(other, "0", CallSize(10, 16_000, None))
    limited.clock.at(5, lambda: tab.settle(other))
    session = limited.new_session()
    limited.scripted(says("Done"))
    task = limited.send(session).task
    began = limited.clock.now()
    limited.work(task.id)
    check_over(limited, session, task.id, "completed")
    assert 5 <= limited.clock.now() - began < 10
    assert limited.model.requests[0].max_output_tokens == 16_384


def test_without_limits_nothing_is_reserved_and_everything_is_counted(parley: Parley) -> None:
    """And the answer may be as long as the model likes, or as the deployment says."""
    parley.scripted(CALL, says("Done"))
    parley.with_tools(Echo())
    session = parley.new_session()
    task = parley.send(session).task
    parley.watch.reset()
    parley.drain_queue()
    task = check_over(parley, session, task.id, "completed")
    _, week = user_meters("ada", day_of(parley.clock.now()))
    assert week.spent(parley.database.get(week.key)) == Amount(30, 0)
    assert [request.max_output_tokens for request in parley.model.requests] == [None, None]
    parley.engine = replace(parley.engine, max_output_tokens=700)
    run(parley, says("Short"))
    assert parley.model.requests[-1].max_output_tokens == 700


def test_a_failed_attempt_that_said_something_is_paid(limited: Parley) -> None:
    """By what the provider counted, or by three bytes a token where it didn't; one that never began is free."""
    cut: Script = [TextDelta("x" * 300), ModelFailed("stream_cut", "Broke off.", True, 0.0, 2_000, 100)]
    _, task = run(limited, fails("model_unavailable"), cut, says("Whole"))
    assert (task.spend.prompt_tokens, task.spend.completion_tokens) == (2_010, 105)
    check_settled(limited, task)

    uncounted: Script = [TextDelta("x" * 300), ModelFailed("stream_cut", "Broke off.", True)]
    session = limited.new_session("grace")
    limited.scripted(uncounted, says("Whole"))
    task = limited.send(session).task
    limited.drain_queue()
    task = check_over(limited, session, task.id, "completed")
    assert task.spend.completion_tokens == 100 + 5
    assert task.spend.prompt_tokens > 100
    check_settled(limited, task)


def test_an_answer_that_nobody_counted_is_estimated(limited: Parley) -> None:
    """Some servers send no usage."""
    _, task = run(limited, [TextDelta("x" * 300), ModelFinished("stop")])
    assert task.spend.completion_tokens == 100
    assert task.spend.cost_micros > 200
    check_settled(limited, task)


@pytest.mark.parametrize("forced", [False, True])
def test_a_stopped_turn_leaves_nothing_reserved(limited: Parley, forced: bool) -> None:
    """The worker settles what it has seen; whoever ends it by force, in full."""
    session = limited.new_session()

    def stop() -> None:
        if forced:  # the worker is busy here, and obeys nobody
            cancel_turn(limited.services, "ada", session.id)
        else:
            request_cancel(limited.database, task.id)

    limited.scripted([TextDelta("x" * 300), 0.5, stop, 30.0, *says("Never")])
    task = limited.send(session).task
    limited.drain_queue()
    task = check_over(limited, session, task.id, "cancelled")
    assert task.spend.tokens > 100
    check_settled(limited, task)


def test_a_killed_worker_pays_in_full_and_the_next_one_goes_on(limited: Parley) -> None:
    """What its call cost nobody will ever know: the maximum counts, once."""
    session = limited.new_session()

    def die() -> None:
        raise Killed

    limited.scripted([TextDelta("Half"), 0.5, die], says("Whole"))
    task = limited.send(session).task
    with pytest.raises(Killed):
        limited.drain_queue()
    limited.clock.advance(60)
    limited.sweep()
    limited.drain_queue()
    task = check_over(limited, session, task.id, "completed")
    assert task.spend.tokens > 16_384
    assert shown_text(limited.parts(task.id)) == "Whole"
    check_settled(limited, task)


def test_a_call_behind_the_end_is_settled_by_whoever_delivers_it(limited: Parley) -> None:
    """A title, say, whose worker dies: the ended turn is still owed to a viewer, so another one comes."""
    session = limited.new_session()
    limited.scripted(says("Done"))
    task = limited.send(session, requester=Requester("slow", "r1")).task
    limited.drain_queue()
    task = limited.task(task.id)
    tab = Tab(Budgets(limited.database, limited.clock, limited.services.limits), task.id, task.epoch)
    tab.reserve(task, "title", CallSize(100, 1_000, limited.engine.prices["scripted"]))
    limited.database.write(Put(replace(limited.task(task.id), lease_expires=1).to_item()))

    limited.work(task.id)

    ended = check_over(limited, session, task.id, "completed")
    assert ended.spend.tokens == task.spend.tokens + 1_100
    check_settled(limited, ended)


def test_a_title_whose_worker_was_killed_is_settled_when_its_message_comes_again(limited: Parley) -> None:
    """In full, once, and not while somebody may still be asking for it."""
    session = limited.new_session()
    limited.scripted(says("Done"))
    task = limited.send(session).task
    limited.drain_queue()
    task = limited.task(task.id)
    budgets = Budgets(limited.database, limited.clock, limited.services.limits)
    Tab(budgets, task.id, task.epoch).reserve(task, "title", CallSize(100, 1_000, limited.engine.prices["scripted"]))

    def tokens() -> tuple[int, int]:
        meter = user_meters("ada", day_of(limited.clock.now()))[0]
        record = limited.database.get(meter.key)
        return meter.used(record).tokens, meter.reserved(record).tokens

    used = tokens()[0]
    limited.work(task.id)
    assert tokens() == (used, 1_100)
    limited.clock.advance(900)
    for _ in range(2):
        limited.work(task.id)
        assert tokens() == (used + 1_100, 0)


def test_a_send_is_refused_when_nothing_is_left(limited: Parley) -> None:
    """With the time at which it will be taken; a message that was sent before keeps its turn."""
    limited.with_limits(user_day_max_tokens=3_000)
    limited.scripted(says("Yes", tokens=(2_000, 1_000)))
    session = limited.new_session()
    first = limited.send(session)
    limited.drain_queue()
    with pytest.raises(LimitReached) as caught:
        limited.send(session, "More", "m2")
    assert caught.value.code == "daily_budget"
    assert limited.send(session).task.id == first.task.id
    assert len(limited.transcript(session)) == 2
    limited.clock.advance(86_400)
    assert limited.send(session, "More", "m2").outcome == "started"


def test_a_send_is_refused_when_the_budget_can_not_be_read(limited: Parley) -> None:
    """503, and nothing is kept."""
    session = limited.new_session()
    limited.watch.on_call = None
    limited.watch.reset(fault_at=2)
    with pytest.raises(Retryable):
        limited.send(session)
    assert limited.transcript(session) == []
