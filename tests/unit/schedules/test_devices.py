"""Schedules that wait for a device. The fake clock begins on Sunday 2025-06-15, 15:06:40 UTC."""

from dataclasses import replace

import pytest

from shared.schedules.requests import ScheduleChange
from shared.tasks.pools import PoolLimit, SlotLimits
from tests.support.schedules import HOURLY, Planner, told


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
