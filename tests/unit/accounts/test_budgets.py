"""Reserving and settling: no counter ever exceeds its limit, whatever runs side by side."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from shared.accounts.budgets.amounts import Amount, Bound, BudgetExhausted, CallSize
from shared.accounts.budgets.meters import day_of, raising, resets_at, tree_meter, turn_meter, user_meters
from shared.accounts.budgets.reservations import Budgets
from shared.accounts.budgets.tab import Tab
from shared.accounts.budgets.usage import UsageOf
from shared.aws.database import TransactionFailed
from shared.kernel.errors import LimitReached, Retryable, Terminal
from shared.kernel.settings import BudgetLimits, ModelPrice
from shared.tasks.lease import LeaseLost
from shared.tasks.records import Spend, Task, TaskStatus
from shared.tasks.store import put_task
from tests.support.region import Parley, build_parley

PRICE = ModelPrice(input=1.0, output=2.0)
MIDDAY = datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp()  # a Wednesday


@pytest.fixture
def midday(parley: Parley) -> Parley:
    """It is Wednesday noon."""
    parley.clock.advance_to(MIDDAY)
    return parley


def new_task(parley: Parley, task_id: str = "t1", user: str = "ada", **fields: Any) -> Task:
    task = Task(task_id, "s1", user, TaskStatus.RUNNING, 0, 0, epoch=1, **fields)
    parley.database.write(put_task(task))
    return task


def tab_of(parley: Parley, task: Task, /, epoch: int = 1, **limits: Any) -> Tab:
    return Tab(Budgets(parley.database, parley.clock, BudgetLimits(**limits)), task.id, epoch)


def size(prompt: int = 1_000, output: int = 1_000, price: ModelPrice | None = PRICE) -> CallSize:
    return CallSize(prompt, output, price)


def tokens(prompt: int, completion: int) -> Spend:
    return Spend(prompt_tokens=prompt, completion_tokens=completion, cost_micros=prompt + 2 * completion)


def claimed(parley: Parley, scope: str, task: Task) -> Amount:
    day, week = user_meters(task.user_id, day_of(parley.clock.now()))
    meter = {"turn": turn_meter(task.id), "tree": tree_meter(task.tree), "day": day, "week": week}[scope]
    return meter.claimed(parley.database.get(meter.key))


def reserved_rows(parley: Parley, task: Task) -> list[Any]:
    return list(
        parley.database.query("#pk = :pk AND begins_with(#sk, :sk)", {"pk": f"TASK#{task.id}", "sk": "RESERVED#"})
    )


ALL = {
    "turn_max_tokens": 10_000,
    "tree_max_tokens": 10_000,
    "user_day_max_tokens": 10_000,
    "user_week_max_tokens": 10_000,
}


def test_the_maximum_is_held_until_the_call_is_settled_at_what_it_used(midday: Parley) -> None:
    """In every counter at once; then nothing is left reserved, and the row is gone."""
    task = new_task(midday)
    tab = tab_of(midday, task, **ALL)
    assert tab.reserve(task, "0", size()) == 1_000
    for scope in ("turn", "tree", "day", "week"):
        assert claimed(midday, scope, task) == Amount(2_000, 3_000), scope
    assert len(reserved_rows(midday, task)) == 1
    tab.use(tokens(900, 50), "0")
    tab.settle(task)
    for scope in ("turn", "tree", "day", "week"):
        assert claimed(midday, scope, task) == Amount(950, 1_000), scope
    assert reserved_rows(midday, task) == []
    assert midday.task(task.id).spend == tokens(900, 50)


def test_a_call_that_never_reached_the_provider_costs_nothing(midday: Parley) -> None:
    """Settled at zero, which releases it all."""
    task = new_task(midday)
    tab = tab_of(midday, task, **ALL)
    tab.reserve(task, "0", size())
    tab.use(Spend(), "0")
    tab.settle(task)
    assert claimed(midday, "tree", task) == Amount()
    assert reserved_rows(midday, task) == []


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ("turn_max_tokens", "turn_budget"),
        ("tree_max_tokens", "tree_budget"),
        ("user_day_max_tokens", "daily_budget"),
        ("user_week_max_tokens", "weekly_budget"),
    ],
)
def test_each_budget_refuses_by_its_own_name(midday: Parley, limit: str, code: str) -> None:
    """Nothing is written by a refusal, and it says what raising would add."""
    task = new_task(midday)
    with pytest.raises(BudgetExhausted) as caught:
        tab_of(midday, task, **{limit: 1_100}).reserve(task, "0", size())
    assert caught.value.code == code
    assert caught.value.asks_for == Amount(1_100, 0)
    assert caught.value.raisable == (code in {"turn_budget", "tree_budget"})
    assert reserved_rows(midday, task) == []


@pytest.mark.parametrize("limit", ["turn_max_cost_usd", "tree_max_cost_usd", "user_day_max_cost_usd"])
def test_money_is_held_like_tokens(midday: Parley, limit: str) -> None:
    """3,000 micros fit into $0.003, and not a second time."""
    task = new_task(midday)
    wanted: dict[str, Any] = {limit: 0.003}
    tab = tab_of(midday, task, **wanted)
    assert tab.reserve(task, "0", size()) >= 999
    tab.use(tokens(1_000, 1_000), "0")
    tab.settle(task)
    with pytest.raises(BudgetExhausted):
        tab.reserve(task, "1", size())


def test_money_without_a_price_is_refused(midday: Parley) -> None:
    """A limit that nobody can count against is no limit."""
    task = new_task(midday)
    with pytest.raises(Terminal) as caught:
        tab_of(midday, task, user_day_max_cost_usd=1).reserve(task, "0", size(price=None))
    assert caught.value.code == "price_missing"


@pytest.mark.parametrize("limit", ["turn_max_tokens", "tree_max_tokens", "user_day_max_tokens", "user_week_max_tokens"])
def test_zero_blocks(midday: Parley, limit: str) -> None:
    """It is not the same as unset, and nobody can approve more."""
    task = new_task(midday)
    with pytest.raises(BudgetExhausted) as caught:
        tab_of(midday, task, **{limit: 0}).reserve(task, "0", size())
    assert not caught.value.raisable


def test_the_last_call_is_bounded_by_what_is_left(midday: Parley) -> None:
    """Down to 256 tokens; the provider is told the bound, so it can't be exceeded."""
    task = new_task(midday)
    tab = tab_of(midday, task, tree_max_tokens=3_400)
    tab.reserve(task, "0", size())
    tab.use(tokens(1_000, 1_000), "0")
    tab.settle(task)
    assert tab.reserve(task, "1", size()) == 400
    tab.use(tokens(1_000, 145), "1")
    tab.settle(task)
    with pytest.raises(BudgetExhausted):
        tab.reserve(task, "2", size())


def test_a_failed_attempt_stays_counted_while_the_next_one_is_reserved(midday: Parley) -> None:
    """One row a call: it grows by what the next attempt may need, and is settled once."""
    task = new_task(midday)
    tab = tab_of(midday, task, **ALL)
    tab.reserve(task, "0", size())
    tab.use(tokens(600, 0), "0")
    tab.reserve(task, "0", size())
    assert claimed(midday, "tree", task).tokens == 2_600
    assert len(reserved_rows(midday, task)) == 1
    tab.use(tokens(1_000, 10), "0")
    tab.settle(task)
    assert claimed(midday, "tree", task).tokens == 1_610
    assert claimed(midday, "turn", task).tokens == 1_610


def test_a_dead_owners_reservation_is_settled_in_full_and_once(midday: Parley) -> None:
    """By the next owner; the old one, if it wakes, can neither reserve nor settle."""
    task = new_task(midday)
    dead = tab_of(midday, task, **ALL)
    dead.reserve(task, "0", size())
    midday.database.write(put_task_again(task, epoch=2))
    following = tab_of(midday, task, epoch=2, **ALL)
    following.inherit(reserved_rows(midday, task))
    assert following.used == tokens(1_000, 1_000)
    following.settle(task)
    for scope in ("tree", "day", "week"):
        assert claimed(midday, scope, task) == Amount(2_000, 3_000), scope
    assert reserved_rows(midday, task) == []
    dead.use(tokens(10, 10), "0")
    with pytest.raises(LeaseLost):
        dead.settle(task)
    with pytest.raises(LeaseLost):
        dead.reserve(task, "0", size())
    assert claimed(midday, "tree", task) == Amount(2_000, 3_000)


def put_task_again(task: Task, epoch: int) -> Any:
    write = put_task(replace(task, epoch=epoch, claimed_tokens=2_000, claimed_micros=3_000))
    return replace(write, condition=None)


def test_raising_a_bound_counts_once_for_each_approval(midday: Parley) -> None:
    """The same approval again changes nothing."""
    task = new_task(midday)
    limits = {"tree_max_tokens": 2_000}
    tab = tab_of(midday, task, **limits)
    tab.reserve(task, "0", size())
    tab.use(tokens(1_000, 1_000), "0")
    tab.settle(task)
    with pytest.raises(BudgetExhausted) as caught:
        tab.reserve(task, "1", size())
    more = raising(tree_meter(task.tree), caught.value.asks_for, "approval-1")
    midday.database.transact([more])
    with pytest.raises(TransactionFailed):
        midday.database.transact([more])
    assert tab.reserve(task, "1", size()) == 1_000
    tab.use(tokens(1_000, 1_000), "1")
    tab.settle(task)
    with pytest.raises(BudgetExhausted):
        tab.reserve(task, "2", size())


def test_what_others_hold_is_worth_waiting_for(midday: Parley) -> None:
    """The patient are told instead of bounded; when the others have settled, there is room again."""
    one, two = new_task(midday, "a", root="root"), new_task(midday, "b", root="root")
    first, second = (tab_of(midday, task, tree_max_tokens=3_000) for task in (one, two))
    first.reserve(one, "0", size())
    with pytest.raises(BudgetExhausted) as caught:
        second.reserve(two, "0", size(prompt=500), patient=True)
    assert caught.value.held_by_others
    assert second.reserve(two, "0", size(prompt=500)) == 500
    second.settle(two)
    first.use(tokens(10, 10), "0")
    first.settle(one)
    assert second.reserve(two, "0", size(prompt=500), patient=True) == 1_000


def test_thirty_callers_never_overspend_one_tree() -> None:
    """Thirty sub-sessions call at once, again and again, until the tree has no room: it never holds more."""
    limit = 20_000
    with mock_aws():
        parley = build_parley()
        tasks = [new_task(parley, f"child{n}", root="root", depth=1) for n in range(30)]
        highest, spent, refused = [0], [0], [0]
        lock = threading.Lock()

        def call(task: Task) -> None:
            tab = tab_of(parley, task, tree_max_tokens=limit)
            for step in range(5):
                try:
                    output = tab.reserve(task, str(step), size(prompt=300, output=600))
                except (BudgetExhausted, Retryable):
                    with lock:
                        refused[0] += 1
                    return
                with lock:
                    highest[0] = max(highest[0], claimed(parley, "tree", task).tokens)
                    spent[0] += 280 + output
                tab.use(tokens(280, output), str(step))
                tab.settle(task)

        threads = [threading.Thread(target=call, args=(task,)) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert highest[0] <= limit
        assert limit - 600 < spent[0] <= limit
        assert refused[0] == 30
        assert claimed(parley, "tree", tasks[0]).tokens == spent[0]


# -- days and weeks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "day", "week"),
    [
        ("2026-11-18T12:00:00", "2026-11-19", "2026-11-23"),
        ("2026-11-22T23:59:59", "2026-11-23", "2026-11-23"),
        ("2026-11-23T00:00:00", "2026-11-24", "2026-11-30"),
        ("2026-12-31T18:00:00", "2027-01-01", "2027-01-04"),
    ],
)
def test_days_end_at_midnight_and_weeks_on_monday(now: str, day: str, week: str) -> None:
    """In UTC."""
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(resets_at("day", instant), UTC).isoformat() == f"{day}T00:00:00+00:00"
    assert datetime.fromtimestamp(resets_at("week", instant), UTC).isoformat() == f"{week}T00:00:00+00:00"


def test_a_new_day_is_whole_again_and_the_week_goes_on(midday: Parley) -> None:
    """What was used on Wednesday counts in the week until Sunday."""
    task = new_task(midday)
    limits = {"user_day_max_tokens": 2_500, "user_week_max_tokens": 4_500}
    tab = tab_of(midday, task, **limits)
    for day in range(2):
        tab.reserve(task, f"{day}", size())
        tab.use(tokens(1_000, 1_000), f"{day}")
        tab.settle(task)
        with pytest.raises(BudgetExhausted) as caught:
            tab.reserve(task, "x", size())
        assert caught.value.code == "daily_budget"
        midday.clock.advance(86_400)
    with pytest.raises(BudgetExhausted) as caught:
        tab.reserve(task, "3", size())
    assert caught.value.code == "weekly_budget"
    midday.clock.advance(3 * 86_400)  # Monday
    tab.reserve(task, "4", size())


def test_a_call_across_midnight_counts_where_it_was_reserved(midday: Parley) -> None:
    """Else the old day would stay reserved for ever."""
    task = new_task(midday)
    tab = tab_of(midday, task, **ALL)
    tab.reserve(task, "0", size())
    day, week = user_meters("ada", day_of(midday.clock.now()))
    midday.clock.advance(86_400)
    tab.use(tokens(900, 50), "0")
    tab.settle(task)
    item = midday.database.get(week.key)
    assert day.claimed(item) == day.spent(item) == week.spent(item) == Amount(950, 1_000)
    assert claimed(midday, "day", task) == Amount()


# -- before a turn -----------------------------------------------------------------------------------


def usage_of(parley: Parley, **limits: Any) -> UsageOf:
    return UsageOf(parley.database, parley.clock, BudgetLimits(**limits))


def spend(parley: Parley, used: Spend, user: str = "ada") -> None:
    task = new_task(parley, f"t{parley.clock.now()}{used}", user)
    tab = tab_of(parley, task)
    tab.use(used)
    tab.settle(task)


def test_a_user_with_nothing_left_is_told_when_it_resets(midday: Parley) -> None:
    """The day or the week, whichever is used up; others are not concerned."""
    spend(midday, tokens(1_000, 0))
    with pytest.raises(LimitReached) as caught:
        usage_of(midday, user_day_max_tokens=1_000).require_left("ada")
    assert caught.value.code == "daily_budget"
    assert caught.value.details == {
        "resets_at": "2026-11-19T00:00:00.000Z",
        "retry_after_seconds": 12 * 3_600,
        "percent_used": 100.0,
    }
    with pytest.raises(LimitReached) as caught:
        usage_of(midday, user_week_max_cost_usd=0.001).require_left("ada")
    assert caught.value.code == "weekly_budget"
    usage_of(midday, user_day_max_tokens=1_000).require_left("grace")
    usage_of(midday, user_day_max_tokens=1_001).require_left("ada")


def test_unset_asks_nobody_and_zero_refuses_everybody(midday: Parley) -> None:
    """Neither reads the table."""
    midday.watch.reset()
    usage_of(midday).require_left("ada")
    with pytest.raises(LimitReached):
        usage_of(midday, user_week_max_tokens=0).require_left("ada")
    assert midday.watch.calls == []


def test_what_can_not_be_read_is_not_allowed_but_shown(midday: Parley) -> None:
    """The check fails closed; the display fails open, and still knows a limit of 0."""
    limits = {"user_day_max_tokens": 10, "user_week_max_tokens": 0}
    midday.watch.reset(fault_at=0)
    with pytest.raises(Retryable):
        usage_of(midday, user_day_max_tokens=10).require_left("ada")
    midday.watch.reset(fault_at=0)
    shown = usage_of(midday, **limits).show("ada")
    assert shown["day"].public()["percent_used"] is None
    assert shown["day"].public()["tokens"] == {"used": None, "reserved": None, "limit": 10}
    assert shown["week"].public()["percent_used"] == 100.0


@pytest.mark.parametrize(
    ("bound", "used", "percent"),
    [
        (Bound(), Amount(5, 5), None),
        (Bound(tokens=0), Amount(), 100.0),
        (Bound(micros=0, tokens=100), Amount(), 100.0),
        (Bound(tokens=200), Amount(50, 0), 25.0),
        (Bound(tokens=200, micros=10), Amount(50, 9), 90.0),
        (Bound(tokens=10), Amount(11, 0), 100.0),
    ],
)
def test_percent_is_of_the_limit_that_is_nearer(bound: Bound, used: Amount, percent: float | None) -> None:
    """No limit, no percentage; 0 is used up from the start."""
    assert bound.percent(used) == percent
