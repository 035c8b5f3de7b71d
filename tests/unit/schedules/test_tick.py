"""The minute tick: few reads when there is nothing, and much at once spread over invocations."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pytest
from bench.due_schedules import Spread, spread

from shared import wiring
from shared.aws.writes import Put
from shared.chat.accept import Requester
from shared.chat.resume import SocketReplay
from shared.kernel.errors import Retryable
from shared.kernel.ids import stable_number
from shared.schedules.records import SHARDS, DueRow
from shared.schedules.tick import AT_ONCE, ERRAND, PORTION, Looking, Tick
from shared.socket.connections import remember_connection
from tests.support.region import put_rows
from tests.support.schedules import HOURLY, Planner
from tests.support.time import InlineExecutor


@dataclass
class Looked:
    """Stands for what fires: it only takes the row away."""

    planner: Planner
    rows: list[DueRow] = field(default_factory=list)

    def look_at(self, row: DueRow) -> bool:
        self.rows.append(row)
        self.planner.parley.database.delete_all(
            [{"pk": f"FIRE#{row.shard}", "sk": f"{row.due:013d}#{row.schedule_id}"}]
        )
        return True


def due_now(count: int, shard: int | None = None) -> None:
    """So many rows that are due; all of them in one shard, or wherever they fall."""
    names = (f"schedule-{number}" for number in range(count * SHARDS * 2))
    fitting = (name for name in names if shard is None or stable_number(name, SHARDS) == shard)
    put_rows(DueRow(0, 1_000 + number, name, "ada").to_item() for number, name in enumerate(islice(fitting, count)))


def tick_of(planner: Planner, looked: Looking) -> Tick:
    needs = planner.parley.services
    return Tick(needs.database, needs.clock, lambda: looked, planner.errands.append, needs.executor)


def test_a_minute_without_schedules_reads_each_shard_once(planner: Planner) -> None:
    """And writes nothing."""
    planner.parley.watch.reset()
    assert planner.one_tick().look() == 0
    assert planner.parley.watch.calls == ["Query"] * SHARDS


def test_a_little_is_done_at_once(planner: Planner) -> None:
    """Nothing is handed on."""
    due_now(AT_ONCE, shard=3)
    looked = Looked(planner)
    assert tick_of(planner, looked).look() == AT_ONCE
    assert (len(looked.rows), planner.errands) == (AT_ONCE, [])


def test_a_full_shard_is_handed_on_and_split(planner: Planner) -> None:
    """Each row is looked at once, in invocations of at most so many."""
    count = PORTION * 2 + 7
    due_now(count, shard=5)
    looked = Spread()
    assert tick_of(planner, looked).look() == 0
    (errand,) = planner.errands
    assert errand == {ERRAND: {"shard": 5, "rows": []}}
    sizes = []
    while planner.errands:
        sizes.append(tick_of(planner, looked).do(planner.errands.pop(0)[ERRAND]))
    assert sorted(sizes) == [7, PORTION, PORTION]
    assert (looked.rows, looked.most_often) == (count, 1)


def test_much_in_all_shards_is_spread(planner: Planner) -> None:
    """What `python -m bench.due_schedules` counts with 100,000 of them."""
    looked = spread(planner.parley, 16 * 40)
    assert (looked.rows, looked.most_often) == (16 * 40, 1)
    assert looked.invocations == 1 + SHARDS
    assert looked.largest <= PORTION
    assert looked.queries == 2 * SHARDS


def test_what_can_not_be_handed_on_is_done_here(planner: Planner) -> None:
    """As much as there is time for; the rest is found in the next minute."""

    def refuse(_: object) -> None:
        raise Retryable("no")

    due_now(AT_ONCE * 2, shard=5)
    looked, needs = Looked(planner), planner.parley.services
    tick = Tick(needs.database, needs.clock, lambda: looked, refuse, needs.executor)
    assert (tick.look(), tick.look(), tick.look()) == (AT_ONCE + 1, AT_ONCE - 1, 0)


def test_an_invocation_without_time_leaves_the_rest(planner: Planner) -> None:
    """It is not lost: its row stays."""
    due_now(10, shard=2)
    looked, needs = Looked(planner), planner.parley.services
    tick = Tick(needs.database, needs.clock, lambda: looked, planner.errands.append, needs.executor, lambda: False)
    assert (tick.look(), looked.rows) == (0, [])
    assert tick_of(planner, looked).look() == 10


def test_one_schedules_trouble_does_not_keep_the_others(planner: Planner) -> None:
    """It is looked at again."""

    class Failing(Looked):
        def look_at(self, row: DueRow) -> bool:
            if row.schedule_id == self.planner_first:
                raise RuntimeError("a bug")
            return super().look_at(row)

        planner_first = ""

    due_now(5, shard=2)
    failing = Failing(planner)
    failing.planner_first = next(planner.store.due(2, 10**13 - 1)).schedule_id
    assert tick_of(planner, failing).look() == 5
    assert [row.schedule_id for row in planner.store.due(2, 10**13 - 1)] == [failing.planner_first]


def test_a_row_that_nobody_can_read_stops_nothing(planner: Planner) -> None:
    """Not those behind it in its shard either, however many such rows there are."""
    for number in range(AT_ONCE + 2):
        planner.parley.database.write(Put({"pk": "FIRE#3", "sk": f"{number:013d}#broken"}))
    due_now(2, shard=3)
    assert tick_of(planner, Looked(planner)).look() == 2


def test_nothing_fires_before_its_time(planner: Planner) -> None:
    """Neither a row of so far a time that it sorts before today's, nor one that is handed on too early."""
    far = DueRow(3, 10**13, "far", "ada")
    planner.parley.database.write(Put(far.to_item()))
    due_now(2, shard=3)
    looked = Looked(planner)
    tick = tick_of(planner, looked)
    assert (tick.look(), tick.do({"shard": 3})) == (2, 0)
    assert tick.do({"shard": 3, "rows": [[far.due, "far", "ada"]]}) == 0
    assert far not in looked.rows


def test_a_shard_that_can_not_be_read_stops_no_other(planner: Planner) -> None:
    """It is looked at again a minute later."""
    due_now(20)

    def throttled() -> None:
        raise Retryable("throttled")

    looked = Looked(planner)
    planner.meanwhile("Query", throttled, nth=SHARDS)
    first = tick_of(planner, looked).look()
    assert 0 < first < 20
    assert first + tick_of(planner, looked).look() == 20


class Posting(InlineExecutor):
    """Notes whether anything was submitted from within: it would wait behind what waits for it."""

    def __init__(self) -> None:
        self.deepest = 0
        self._depth = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._depth += 1
        self.deepest = max(self.deepest, self._depth)
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            self._depth -= 1


def test_what_a_schedule_has_posted_does_not_wait_behind_schedules(planner: Planner) -> None:
    """One that stops the turn before waits until its viewers have their end: the threads that post do nothing else."""
    parley, posting = planner.parley, Posting()
    session = parley.new_session()
    schedule = planner.message_schedule(HOURLY, session.id, overlap="cancel")
    planner.tick_at("2025-06-15T16:00:10")
    remember_connection(parley.database, parley.clock, "c1", "ada")
    turn = parley.task(planner.again(schedule).last_task)
    SocketReplay(parley.services, Requester("c1", "r1")).show(turn)
    parley.clock.advance(3_600)
    needs = replace(parley.services, executor=posting)
    assert wiring.tick(needs, "scheduler", lambda: True).look() == 1
    assert posting.deepest == 1
    assert [frame["type"] for frame in parley.sockets.frames["c1"]][-1] == "end"


@pytest.mark.parametrize("sent", [{"shard": SHARDS}, {"shard": 0, "rows": [[1, 2]]}, {"shard": 0, "more": 1}])
def test_an_errand_is_checked(planner: Planner, sent: dict[str, object]) -> None:
    """Whoever may invoke the function may send anything."""
    with pytest.raises(ValueError, match="Errand"):
        planner.one_tick().do(sent)
