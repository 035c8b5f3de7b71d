"""What schedules start, and when they don't. The fake clock begins on Sunday 2025-06-15, 15:06:40 UTC."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from shared.agents.library.records import LibraryAgent
from shared.kernel.errors import Conflict, NotFound
from shared.schedules.outcomes import settle_fire
from shared.schedules.records import KEPT_FIRES, MAX_SCHEDULES, Occasion, count_key
from shared.schedules.requests import ScheduleChange
from shared.socket.connections import remember_connection
from shared.tasks.pools import PoolLimit, SlotLimits
from shared.tasks.records import TaskStatus
from tests.support.runs import GREETER, given, graph, node, result
from tests.support.schedules import HOURLY, Planner, told


def failing(planner: Planner) -> LibraryAgent:
    """An agent whose runs fail for Oslo."""
    template = "{% if city == 'Oslo' %}{{ 1 // 0 }}{% endif %}fine"
    nodes = [given("in", "City"), node("greet", "Text template", template=template), result("out", "Said")]
    return planner.agents.agent(graph(nodes, "in.value > greet.values.city", "greet.text > out.value"))


def test_a_due_schedule_starts_a_run_and_has_its_next_fire(planner: Planner) -> None:
    """The run knows its schedule; its id is made from the fire's."""
    schedule = planner.agent_schedule(HOURLY)
    assert planner.tick() == 0
    assert planner.tick_at("2025-06-15T16:00:30") == 1
    (run,) = planner.runs(schedule)
    assert (run.id, run.origin, run.schedule_id) == (schedule.run_of(Occasion.due(schedule)), "schedule", schedule.id)
    assert planner.parley.runs_waiting() == [run.id]
    after = planner.again(schedule)
    assert (told(after.next_fire), told(after.last_fire), after.last_task) == (
        "2025-06-15T17:00",
        "2025-06-15T16:00",
        run.id,
    )
    assert planner.due() == ["2025-06-15T17:00"]
    planner.agents.until_quiet()
    (fire,) = planner.fires(schedule)
    assert (fire.outcome, fire.result) == ("started", None)


def test_a_run_that_ends_is_in_the_history(planner: Planner) -> None:
    """With how it has ended."""
    schedule = planner.agent_schedule(HOURLY)
    planner.tick_at("2025-06-15T16:00:30")
    planner.agents.until_quiet()
    (fire,) = planner.fires(schedule)
    assert fire.result == "completed"


def test_the_history_goes_after_ninety_days(planner: Planner) -> None:
    """From that second on, though DynamoDB deletes it later."""
    schedule = planner.agent_schedule(HOURLY)
    planner.tick_at("2025-06-15T16:00:30")
    planner.parley.clock.advance(90 * 86_400 - 1)
    assert len(planner.fires(schedule)) == 1
    planner.parley.clock.advance(1)
    assert planner.fires(schedule) == []


@pytest.mark.parametrize(
    ("looked_at", "then"), [("2025-06-15T17:00:10", "2025-06-15T18:00"), ("2025-06-16T17:30:00", "2025-06-16T18:00")]
)
def test_fires_that_were_missed_become_one_run(planner: Planner, looked_at: str, then: str) -> None:
    """An hour late, or a day: what is caught up is one run, and the next fire is the next one."""
    schedule = planner.agent_schedule(HOURLY)
    planner.tick_at(looked_at)
    planner.tick()
    (run,) = planner.runs(schedule)
    assert run.id == schedule.run_of(Occasion.due(schedule))
    assert planner.due() == [then]


def test_missed_fires_are_left_out_if_its_user_wants_that(planner: Planner) -> None:
    """And that is said; a fire that is a little late was not missed."""
    schedule = planner.agent_schedule(HOURLY, catch_up="skip")
    planner.tick_at("2025-06-15T16:06:00")
    (fire,) = planner.fires(schedule)
    assert (fire.outcome, fire.reason, planner.due()) == ("missed", "tick_was_late", ["2025-06-15T17:00"])
    planner.tick_at("2025-06-15T17:04:00")
    assert [fire.outcome for fire in planner.fires(schedule)] == ["missed", "started"]


def test_jitter_is_the_same_each_time(planner: Planner) -> None:
    """Fires are late by it, and none is left out because of it, though it is longer than the interval."""
    schedule = planner.agent_schedule({"cron": "*/10 * * * *"}, jitter_seconds=3_600, overlap="queue", id="jittery")
    offset = schedule.offset // 1000
    assert offset == planner.again(schedule).offset // 1000
    assert 600 < offset <= 3_600
    planner.parley.clock.advance(schedule.due / 1000 - planner.parley.clock.now() - 1)
    assert planner.tick() == 0
    for _ in range(3):
        planner.parley.clock.advance(60)
        planner.tick()
        planner.agents.until_quiet()
        planner.parley.clock.advance(540)
    fires = [fire.fire for fire in planner.fires(schedule)]
    assert [later - earlier for earlier, later in pairwise(fires)] == [600_000, 600_000]


def test_an_end_date_ends_it(planner: Planner) -> None:
    """Its last fire is not later than that; then it stays, and says why it rests."""
    schedule = planner.agent_schedule({**HOURLY, "ends_at": "2025-06-15T17:30:00Z"})
    planner.tick_at("2025-06-15T16:00:10")
    planner.agents.until_quiet()
    planner.tick_at("2025-06-15T17:00:10")
    after = planner.again(schedule)
    assert (after.status, after.reason, len(planner.runs(schedule)), planner.due()) == ("disabled", "ended", 2, [])


@pytest.mark.parametrize(
    ("terms", "last"),
    [({}, ("started", "")), ({"catch_up": "skip"}, ("missed", "tick_was_late"))],
)
def test_a_fire_that_was_due_before_the_end_is_made_up_for_behind_it(
    planner: Planner, terms: dict[str, Any], last: tuple[str, str]
) -> None:
    """If its user wants missed fires to be; the schedule has ended either way."""
    schedule = planner.agent_schedule({**HOURLY, "ends_at": "2025-06-15T17:30:00Z"}, **terms)
    planner.tick_at("2025-06-20T12:00:10")
    assert [(fire.outcome, fire.reason) for fire in planner.fires(schedule)] == [last]
    after = planner.again(schedule)
    assert (after.status, after.reason, planner.due()) == ("disabled", "ended", [])


def test_a_fire_that_waits_for_the_run_before_may_start_behind_the_end(planner: Planner) -> None:
    """It was due before."""
    schedule = planner.agent_schedule({**HOURLY, "ends_at": "2025-06-15T17:30:00Z"}, overlap="queue")
    planner.tick_at("2025-06-15T16:00:10")
    planner.tick_at("2025-06-15T17:00:10")
    planner.minutes(40)
    planner.agents.until_quiet()
    planner.minutes(2)
    assert [told(fire.fire) for fire in planner.fires(schedule)] == ["2025-06-15T16:00", "2025-06-15T17:00"]
    assert planner.again(schedule).reason == "ended"


@pytest.mark.parametrize("times", [{"delay_seconds": 60}, {"at": "2025-06-15T15:30:00Z"}, {"cron": "30 15 * * *"}])
def test_what_fires_once_goes_when_it_has_fired(planner: Planner, times: dict[str, Any]) -> None:
    """Its run stays; the number of the user's schedules goes down."""
    schedule = planner.agent_schedule(times, once=True)
    run_id = schedule.run_of(Occasion.due(schedule))
    planner.tick_at("2025-06-15T15:30:10")
    assert planner.store.find("ada", schedule.id) is None
    assert planner.parley.runs_waiting() == [run_id]
    assert planner.due() == []
    assert planner.parley.database.get(count_key("ada"))["schedules"] == 0  # type: ignore[index]
    planner.agents.until_quiet()


def test_while_the_run_before_runs_the_next_is_left_out(planner: Planner) -> None:
    """As its user wants by default."""
    schedule = planner.agent_schedule(HOURLY)
    planner.tick_at("2025-06-15T16:00:10")
    planner.tick_at("2025-06-15T17:00:10")
    outcomes = [(fire.outcome, fire.reason) for fire in planner.fires(schedule)]
    assert outcomes == [("started", ""), ("skipped", "still_running")]
    planner.agents.until_quiet()
    planner.tick_at("2025-06-15T18:00:10")
    assert len(planner.runs(schedule)) == 2


def test_or_it_waits_for_its_end(planner: Planner) -> None:
    """As one run, however many fires come meanwhile."""
    schedule = planner.agent_schedule(HOURLY, overlap="queue")
    planner.tick_at("2025-06-15T16:00:10")
    planner.tick_at("2025-06-15T17:00:10")
    planner.minutes(70)
    assert len(planner.runs(schedule)) == 1
    planner.agents.until_quiet()
    planner.minutes(2)
    started = planner.fires(schedule)
    assert [told(fire.fire) for fire in started] == ["2025-06-15T16:00", "2025-06-15T17:00"]
    assert planner.due() == ["2025-06-15T19:00"]


def test_or_it_stops_the_run_before(planner: Planner) -> None:
    """And begins itself."""
    schedule = planner.agent_schedule(HOURLY, overlap="cancel")
    planner.tick_at("2025-06-15T16:00:10")
    planner.tick_at("2025-06-15T17:00:10")
    first, second = planner.runs(schedule)
    assert planner.parley.task(first.id).status is TaskStatus.CANCELLED
    assert planner.parley.task(second.id).status is TaskStatus.QUEUED
    planner.agents.until_quiet()
    assert [fire.result for fire in planner.fires(schedule)] == ["cancelled", "completed"]


def test_failures_in_a_row_pause_it_and_its_user_is_told(planner: Planner) -> None:
    """With the last error; nobody finds out ten Mondays later."""
    agent = failing(planner)
    schedule = planner.agent_schedule(HOURLY, agent, max_failures=2)
    remember_connection(planner.parley.database, planner.parley.clock, "c1", "ada")
    planner.tick_at("2025-06-15T16:00:10")
    planner.agents.until_quiet()
    assert (planner.again(schedule).failures, planner.again(schedule).status) == (1, "active")
    planner.tick_at("2025-06-15T17:00:10")
    planner.agents.until_quiet()
    after = planner.again(schedule)
    assert (after.status, after.reason, after.failures, planner.due()) == ("paused", "failures", 2, [])
    assert after.last_error
    assert [fire.result for fire in planner.fires(schedule)] == ["failed", "failed"]
    assert told_of(planner) == [(schedule.id, "failures")]
    planner.tick_at("2025-06-15T18:00:10")
    assert len(planner.runs(schedule)) == 2
    resumed = planner.book.resume("ada", schedule.id)
    assert (resumed.status, resumed.failures, resumed.last_error) == ("active", 0, "")


def told_of(planner: Planner) -> list[tuple[str, str]]:
    """Which schedules have stopped, and why, as their user has heard."""
    frames = planner.parley.sockets.frames.get("c1", [])
    return [(frame["schedule_id"], frame["reason"]) for frame in frames if frame.get("kind") == "schedule-paused"]


def test_whatever_stops_a_schedule_its_user_is_told(planner: Planner) -> None:
    """But not of what they have paused themselves."""
    parley, gone = planner.parley, planner.agents.agent(GREETER)
    remember_connection(parley.database, parley.clock, "c1", "ada")
    planner.message_schedule({**HOURLY, "ends_at": "2025-06-15T16:30:00Z"}, id="ending")
    planner.agent_schedule({"at": "2025-06-15T16:00:00Z"}, catch_up="skip", id="missed")
    planner.agent_schedule(HOURLY, gone, id="without")
    planner.agents.library.delete(gone)
    planner.agent_schedule(HOURLY, id="paused")
    planner.book.pause("ada", "paused")
    planner.tick_at("2025-06-15T16:10:00")
    parley.state_changes()
    assert sorted(told_of(planner)) == [
        ("ending", "ended"),
        ("missed", "tick_was_late"),
        ("without", "agent_deleted"),
    ]


def test_a_failure_counts_however_many_fires_were_left_out_meanwhile(planner: Planner) -> None:
    """Their records have pushed its own out of the history; it is counted once, however often its end is told."""
    nodes = [node("w", "Wait", seconds=3_600, value="x"), node("t", "Text template", template="{{ 1 // 0 }}")]
    links = ["w.value > t.values.x", "t.text > out.value"]
    agent = planner.agents.agent(graph([*nodes, result("out", "Said")], *links))
    schedule = planner.agent_schedule({"cron": "* * * * *"}, agent, inputs={}, max_failures=2)
    planner.minutes()
    planner.agents.until_quiet()
    planner.minutes(KEPT_FIRES + 8)
    slow = planner.again(schedule).last_task
    assert all(fire.outcome == "skipped" for fire in planner.fires(schedule))
    planner.agents.minutes(3)
    assert planner.agents.look(slow).status == "failed"
    for _ in range(2):
        settle_fire(planner.parley.services, slow)
    seen = planner.again(schedule)
    assert (seen.failures, seen.status, "division" in seen.last_error.lower()) == (1, "active", True)


def test_a_success_forgives_failures(planner: Planner) -> None:
    """Only those in a row count."""
    agent = failing(planner)
    schedule = planner.agent_schedule(HOURLY, agent, max_failures=2)
    planner.tick_at("2025-06-15T16:00:10")
    planner.agents.until_quiet()
    planner.book.change("ada", schedule.id, ScheduleChange(inputs={"City": "Bergen"}))
    planner.tick_at("2025-06-15T17:00:10")
    planner.agents.until_quiet()
    assert (planner.again(schedule).failures, planner.again(schedule).last_error) == (0, "")


def test_a_deleted_agent_disables_its_schedules_and_says_so(planner: Planner) -> None:
    """Never silently."""
    agent = planner.agents.agent(GREETER)
    schedule = planner.agent_schedule(HOURLY, agent)
    planner.agents.library.delete(agent)
    planner.tick_at("2025-06-15T16:00:10")
    after = planner.again(schedule)
    assert (after.status, after.reason, after.next_fire, planner.due()) == ("disabled", "agent_deleted", 0, [])
    assert "deleted" in after.last_error
    (fire,) = planner.fires(schedule)
    assert (fire.outcome, fire.reason) == ("failed", "agent_deleted")
    with pytest.raises(NotFound):
        planner.book.resume("ada", schedule.id)


def test_an_agent_that_no_longer_takes_the_inputs_disables_them_too(planner: Planner) -> None:
    """A new version asks for something else."""
    agent = planner.agents.agent(GREETER)
    schedule = planner.agent_schedule(HOURLY, agent)
    asking = graph([given("in", "Country"), result("out", "Said")], "in.value > out.value")
    changed = planner.agents.library.save(agent, asking)
    planner.tick_at("2025-06-15T16:00:10")
    assert planner.again(schedule).reason == "agent_invalid"
    planner.book.change("ada", schedule.id, ScheduleChange(inputs={"Country": "Norway"}))
    planner.book.resume("ada", schedule.id)
    planner.tick_at("2025-06-15T17:00:10")
    (run,) = planner.runs(schedule)
    assert run.version == changed.version


def test_an_invalid_expression_never_fires(planner: Planner) -> None:
    """One that a later version of a library takes for nonsense, say."""
    schedule = planner.agent_schedule(HOURLY)
    planner.store.change("ada", schedule.id, lambda seen: type(seen)(**{**vars(seen), "cron": "0 9 * * nonsense"}))
    planner.tick_at("2025-06-15T16:00:10")
    assert (planner.again(schedule).reason, planner.runs(schedule)) == ("invalid_times", [])


def test_a_run_that_its_users_limit_keeps_back_is_tried_for_an_hour(planner: Planner) -> None:
    """Then it counts as failed, with the reason."""
    planner.parley.services = replace(planner.parley.services, slot_limits=SlotLimits(runs=PoolLimit(0, 0)))
    schedule = planner.agent_schedule({"cron": "0 16 * * *"})
    planner.tick_at("2025-06-15T16:00:10")
    assert (planner.fires(schedule), len(planner.due())) == ([], 1)
    planner.minutes(59)
    assert planner.fires(schedule) == []
    planner.minutes(2)
    (fire,) = planner.fires(schedule)
    assert fire.outcome == "failed"
    assert fire.reason.startswith("too_many")
    assert (planner.again(schedule).failures, planner.due()) == (1, ["2025-06-16T16:00"])


def test_the_hour_of_a_limit_begins_with_the_limit(planner: Planner) -> None:
    """Not when the run before, or a pause, kept it from starting."""
    schedule = planner.agent_schedule(HOURLY, overlap="queue")
    planner.tick_at("2025-06-15T16:00:10")
    planner.tick_at("2025-06-15T17:00:10")
    planner.minutes(70)
    planner.agents.until_quiet()
    planner.parley.services = replace(planner.parley.services, slot_limits=SlotLimits(runs=PoolLimit(0, 0)))
    planner.minutes(30)
    assert [fire.outcome for fire in planner.fires(schedule)] == ["started"]
    planner.book.pause("ada", schedule.id)
    planner.parley.clock.advance(7_200)
    planner.book.resume("ada", schedule.id)
    planner.minutes(61)
    assert [fire.outcome for fire in planner.fires(schedule)] == ["started"]


def test_a_budget_for_each_fire_binds_the_run_and_what_it_starts(planner: Planner) -> None:
    """It travels in the task."""
    schedule = planner.agent_schedule(HOURLY, max_tokens=1_000, max_cost_micros=250_000)
    planner.tick_at("2025-06-15T16:00:10")
    (run,) = planner.runs(schedule)
    task = planner.parley.task(run.id)
    limits = planner.parley.services.limits_of(task)
    assert (limits.tree_max_tokens, limits.tree_max_cost_usd) == (1_000, 0.25)


def test_the_history_keeps_the_last_fifty(planner: Planner) -> None:
    """A new one takes the place of the oldest."""
    schedule = planner.agent_schedule({"cron": "* * * * *"}, catch_up="skip")
    for _ in range(KEPT_FIRES + 3):
        planner.parley.clock.advance(360)
        planner.look_at_due()
    fires = planner.fires(schedule)
    assert (len(fires), fires[0].place, fires[-1].place) == (KEPT_FIRES, 3, KEPT_FIRES + 2)


def test_a_schedule_that_is_run_now_keeps_its_next_fire(planner: Planner) -> None:
    """Also when it is paused; a second click finds it at work."""
    schedule = planner.agent_schedule(HOURLY)
    fire = planner.firing.run_now("ada", schedule.id)
    assert (planner.again(schedule).last_task, planner.due()) == (fire.task_id, ["2025-06-15T16:00"])
    with pytest.raises(Conflict):
        planner.firing.run_now("ada", schedule.id)
    planner.agents.until_quiet()
    planner.book.pause("ada", schedule.id)
    assert planner.firing.run_now("ada", schedule.id).task_id != fire.task_id
    assert (planner.again(schedule).status, planner.due()) == ("paused", [])
    with pytest.raises(NotFound):
        planner.firing.run_now("eve", schedule.id)


def test_a_hundred_schedules_are_counted_in_and_out(planner: Planner) -> None:
    """Those that have fired once make room."""
    for _ in range(3):
        planner.agent_schedule({"delay_seconds": 60})
    planner.minutes(2)
    assert planner.parley.database.get(count_key("ada"))["schedules"] == 0  # type: ignore[index]
    assert MAX_SCHEDULES == 100
