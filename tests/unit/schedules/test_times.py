"""Ends, jitter, and times that are changed. The fake clock begins on Sunday 2025-06-15, 15:06:40 UTC."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.kernel.errors import Invalid
from shared.schedules.planning import past
from shared.schedules.requests import ScheduleChange
from tests.support.schedules import HOURLY, Planner, told


@pytest.mark.parametrize("times", [{"at": "2025-06-15T16:30:00Z"}, {"delay_seconds": 3_600}, {"cron": "30 16 * * *"}])
def test_no_time_behind_the_end_is_taken(planner: Planner, times: dict[str, Any]) -> None:
    """However it is given."""
    with pytest.raises(Invalid) as refused:
        planner.agent_schedule({**times, "ends_at": "2025-06-15T16:00:00Z"})
    assert refused.value.code == "never_fires"


def test_jitter_takes_no_fire_behind_the_end(planner: Planner) -> None:
    """The last is the last that is due before it."""
    late = planner.agent_schedule({**HOURLY, "ends_at": "2025-06-15T20:00:00Z"}, jitter_seconds=3_600, id="jittery")
    assert 0 < late.offset < 3_600_000
    dues = [late.due]
    while late.next_fire:
        late = past(late, late.due)
        dues.append(late.due)
    assert dues[-1] == 0
    assert [told(due - late.offset) for due in dues[:-1]] == [f"2025-06-15T{hour}:00" for hour in (16, 17, 18, 19)]
    assert told(dues[-2]) < "2025-06-15T20:00"


@pytest.mark.parametrize(
    "change",
    [
        ScheduleChange(jitter_seconds=1),
        ScheduleChange(ends_at=datetime(2026, 1, 1, tzinfo=UTC)),
        ScheduleChange(once=True),
        ScheduleChange(name="Other"),
    ],
)
def test_a_fire_that_is_due_survives_a_change_of_anything_but_its_times(
    planner: Planner, change: ScheduleChange
) -> None:
    """It comes right before the tick."""
    schedule = planner.agent_schedule(HOURLY)
    planner.parley.clock.advance_to(schedule.next_fire / 1000 + 20)
    changed = planner.book.change("ada", schedule.id, change)
    assert changed.next_fire == schedule.next_fire
    planner.tick()
    assert len(planner.parley.runs_waiting()) == 1


def test_a_change_of_jitter_moves_what_is_due_later_on(planner: Planner) -> None:
    """By its part of it; and an end before the next fire is refused."""
    schedule = planner.agent_schedule(HOURLY, id="jittery")
    changed = planner.book.change("ada", schedule.id, ScheduleChange(jitter_seconds=3_600))
    assert (changed.next_fire, changed.due) == (schedule.next_fire, schedule.next_fire + changed.offset)
    assert planner.due() == [told(changed.due)]
    with pytest.raises(Invalid) as refused:
        planner.book.change("ada", schedule.id, ScheduleChange(ends_at=datetime(2025, 6, 15, 15, 30, tzinfo=UTC)))
    assert refused.value.code == "never_fires"


def test_what_is_left_out_at_its_only_time_stays_and_says_why(planner: Planner) -> None:
    """What was run by hand right before it still runs."""
    schedule = planner.agent_schedule({"at": "2025-06-15T16:00:00Z"})
    planner.firing.run_now("ada", schedule.id)
    planner.tick_at("2025-06-15T16:00:10")
    after = planner.again(schedule)
    assert (after.status, after.reason, planner.due()) == ("disabled", "still_running", [])
    assert [fire.outcome for fire in planner.fires(schedule)] == ["started", "skipped"]
