"""Several that deal with one schedule at once. The fake clock begins on Sunday 2025-06-15, 15:06:40 UTC."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from shared.aws.writes import Put
from shared.schedules.requests import ScheduleChange
from tests.support.region import tasks_by_kind
from tests.support.schedules import HOURLY, Planner


def test_two_ticks_of_one_minute_and_two_processes_start_one_run(planner: Planner) -> None:
    """The row goes in the transaction that starts the run."""
    schedule = planner.agent_schedule(HOURLY)
    planner.parley.clock.advance(3_600)
    row = planner.due_row()
    first, second = planner.firing, planner.firing
    assert [first.look_at(row), second.look_at(row), planner.tick()] == [True, False, 0]
    assert len(planner.runs(schedule)) == 1


def test_two_processes_that_have_both_read_the_schedule_start_one_run(planner: Planner) -> None:
    """One transaction finds the schedule as it was seen, the other one doesn't."""
    schedule = planner.agent_schedule(HOURLY)
    planner.parley.clock.advance(3_600)
    row = planner.due_row()
    watch, other = planner.parley.watch, planner.firing
    watch.reset()

    def meanwhile(name: str, _: int) -> None:
        if name == "TransactWriteItems":
            watch.on_call = None
            assert other.look_at(row)

    watch.on_call = meanwhile
    assert not planner.firing.look_at(row)
    assert len(planner.runs(schedule)) == 1
    assert len(planner.parley.runs_waiting()) == 1
    assert len(planner.fires(schedule)) == 1


@pytest.mark.parametrize("kind", ["agent", "message"])
def test_many_threads_that_look_at_one_row_at_once_start_one_thing(planner: Planner, kind: str) -> None:
    """Whatever the order in which their calls come."""
    parley, made = planner.parley, planner.agent_schedule if kind == "agent" else planner.message_schedule
    schedule = made(HOURLY)
    parley.clock.advance(3_600)
    row, together = planner.due_row(), Barrier(6)

    def look(_: int) -> bool:
        firing = planner.firing
        together.wait()
        return firing.look_at(row)

    with ThreadPoolExecutor(together.parties) as pool:
        began = list(pool.map(look, range(together.parties)))
    (fire,) = planner.fires(schedule)
    assert planner.again(schedule).last_task == fire.task_id
    assert tasks_by_kind() == {("run" if kind == "agent" else "turn", "queued"): 1}
    assert began.count(True) == 1
    assert planner.due() == ["2025-06-15T17:00"]


@pytest.mark.parametrize("overlap", ["skip", "queue", "cancel"])
@pytest.mark.parametrize("is_renamed", [False, True])
def test_two_clicks_on_run_now_start_one_run(planner: Planner, overlap: str, is_renamed: bool) -> None:
    """Both are answered with it, whatever their schedule wants of overlaps, and though it is changed meanwhile too."""
    parley, schedule = planner.parley, planner.agent_schedule(HOURLY, overlap=overlap)
    first = []

    def other_click() -> None:
        parley.clock.advance(0.02)
        first.append(planner.firing.run_now("ada", schedule.id))

    def renamed() -> None:
        planner.book.change("ada", schedule.id, ScheduleChange(name="Other"))
        planner.meanwhile("GetItem", other_click)

    planner.meanwhile("TransactWriteItems", renamed if is_renamed else other_click)
    second = planner.firing.run_now("ada", schedule.id)
    (fire,) = planner.fires(schedule)
    assert [first[0].task_id, second.task_id] == [fire.task_id] * 2
    assert parley.runs_waiting() == [fire.task_id]
    assert tasks_by_kind() == {("run", "queued"): 1}


def test_a_row_that_is_its_schedules_own_again_is_not_taken_away(planner: Planner) -> None:
    """The tick has found the schedule due at another time, and then that was changed back."""
    schedule = planner.agent_schedule(HOURLY, id="jittery")
    planner.parley.clock.advance_to(schedule.next_fire / 1000 + 20)
    row = planner.due_row()
    planner.book.change("ada", schedule.id, ScheduleChange(jitter_seconds=3_600))
    back = ScheduleChange(jitter_seconds=0)
    planner.meanwhile("TransactWriteItems", lambda: planner.book.change("ada", schedule.id, back))
    assert not planner.firing.look_at(row)
    assert planner.due() == ["2025-06-15T16:00"]
    assert (planner.tick(), len(planner.runs(schedule))) == (1, 1)


def test_a_row_that_its_schedule_has_left_behind_is_taken_away(planner: Planner) -> None:
    """Also if that schedule is gone, or rests."""
    for name in ("changed", "paused", "deleted"):
        schedule = planner.agent_schedule(HOURLY, id=name)
        stale = replace(planner.due_row(), schedule_id=name, due=schedule.due - 1)
        planner.parley.database.write(Put(stale.to_item()))
    planner.book.pause("ada", "paused")
    planner.book.delete("ada", "deleted")
    planner.parley.clock.advance(3_000)
    assert len(planner.due()) == 4
    planner.tick_at("2025-06-15T15:59:59.999")
    assert planner.due() == ["2025-06-15T16:00"]
