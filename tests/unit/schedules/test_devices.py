"""Schedules that wait for a device. The fake clock begins on Sunday 2025-06-15, 15:06:40 UTC."""

from dataclasses import replace

import pytest

from shared.kernel.errors import Retryable
from shared.schedules.requests import ScheduleChange
from shared.tasks.pools import PoolLimit, SlotLimits
from tests.support.schedules import HOURLY, Planner, at, told


@pytest.mark.parametrize(("bound_to", "starts"), [("laptop", True), ("any", True), ("phone", False)])
def test_a_schedule_of_a_device_waits_for_it(planner: Planner, bound_to: str, starts: bool) -> None:
    """An overdue one starts when that device returns, once."""
    schedule = planner.agent_schedule(HOURLY, device=bound_to)
    planner.tick_at("2025-06-15T16:00:10")
    assert (planner.fires(schedule), planner.due()) == ([], [])
    planner.parley.clock.advance(7_200)
    returned = planner.firing.device_returned("ada", "laptop")
    assert [fire.schedule_id for fire in returned] == ([schedule.id] if starts else [])
    assert planner.firing.device_returned("ada", "laptop") == []
    assert planner.due() == (["2025-06-15T19:00"] if starts else [])


def test_an_overdue_one_that_is_bound_to_no_device_any_more_fires(planner: Planner) -> None:
    """It had no row that the tick could find."""
    schedule = planner.agent_schedule(HOURLY, device="phone")
    planner.tick_at("2025-06-15T16:00:10")
    assert planner.due() == []
    planner.book.change("ada", schedule.id, ScheduleChange(device=None))
    planner.minutes()
    assert [told(fire.fire) for fire in planner.fires(schedule)] == ["2025-06-15T16:00"]
    assert planner.due() == ["2025-06-15T17:00"]


def test_a_limit_when_its_device_comes_brings_no_fire_forward(planner: Planner) -> None:
    """What has never run is tried when the device comes again; the next fire keeps its time."""
    services = planner.parley.services
    planner.parley.services = replace(services, slot_limits=SlotLimits(runs=PoolLimit(0, 0)))
    planner.is_there = lambda *_: True
    schedule = planner.agent_schedule({"cron": "0 9 * * *"}, device="laptop")
    assert planner.firing.device_returned("ada", "laptop") == []
    planner.parley.services = services
    planner.minutes(2)
    assert (planner.fires(schedule), planner.due()) == ([], ["2025-06-16T09:00"])
    assert len(planner.firing.device_returned("ada", "laptop")) == 1


def test_one_that_has_never_run_starts_when_its_device_comes(planner: Planner) -> None:
    """Its next fire stays; what fires once waits for its time."""
    schedule = planner.agent_schedule(HOURLY, device="any")
    planner.agent_schedule({"delay_seconds": 3_600}, device="any")
    assert [fire.schedule_id for fire in planner.firing.device_returned("ada", "laptop")] == [schedule.id]
    assert "2025-06-15T16:00" in planner.due()
    planner.agents.until_quiet()
    assert planner.firing.device_returned("ada", "laptop") == []


def test_a_device_that_is_there_is_not_waited_for(planner: Planner) -> None:
    """The tick starts it."""
    planner.is_there = lambda user, device: (user, device) == ("ada", "laptop")
    schedule = planner.agent_schedule(HOURLY, device="laptop")
    planner.tick_at("2025-06-15T16:00:10")
    assert len(planner.runs(schedule)) == 1


def test_a_device_that_comes_while_the_tick_looks_at_its_schedule_loses_nothing(planner: Planner) -> None:
    """The tick has seen it away, and takes the row between what the device reads and what it writes."""
    schedule = planner.agent_schedule(HOURLY, device="laptop")
    planner.parley.clock.advance(3_600)
    row, tick = planner.due_row(), planner.firing
    planner.meanwhile("TransactWriteItems", lambda: tick.look_at(row))
    assert len(planner.firing.device_returned("ada", "laptop")) == 1
    assert planner.due() == ["2025-06-15T17:00"]
    assert len(planner.runs(schedule)) == 1


def test_a_device_that_has_come_and_found_nothing_overdue_is_seen_by_the_tick(planner: Planner) -> None:
    """It looks once more when the row is gone."""
    schedule = planner.agent_schedule(HOURLY, device="laptop")
    seen = iter((False, True))
    planner.is_there = lambda *_: next(seen)
    planner.tick_at("2025-06-15T16:00:10")
    assert len(planner.runs(schedule)) == 1
    assert planner.due() == ["2025-06-15T17:00"]


def test_one_schedules_trouble_does_not_keep_the_others_of_a_device(planner: Planner) -> None:
    """Whoever has called is told to call again."""
    schedules = [planner.agent_schedule(HOURLY, device="laptop", id=name) for name in ("s1", "s2")]

    def throttled() -> None:
        raise Retryable("throttled")

    planner.meanwhile("TransactWriteItems", throttled)
    with pytest.raises(Retryable):
        planner.firing.device_returned("ada", "laptop")
    assert sorted(len(planner.fires(schedule)) for schedule in schedules) == [0, 1]
    assert len(planner.firing.device_returned("ada", "laptop")) == 1
    assert [len(planner.fires(schedule)) for schedule in schedules] == [1, 1]


@pytest.mark.parametrize(("back", "outcome"), [("16:04:00", "started"), ("16:06:00", "missed")])
def test_what_a_device_has_missed_is_left_out_if_its_user_wants_that(planner: Planner, back: str, outcome: str) -> None:
    """But not when it is back at once; and the tick was not to blame."""
    schedule = planner.agent_schedule(HOURLY, device="laptop", catch_up="skip")
    planner.tick_at("2025-06-15T16:00:10")
    planner.parley.clock.advance_to(at(f"2025-06-15T{back}"))
    planner.firing.device_returned("ada", "laptop")
    (fire,) = planner.fires(schedule)
    assert (fire.outcome, fire.reason) == (outcome, "device_was_away" if outcome == "missed" else "")
    assert planner.due() == ["2025-06-15T17:00"]
