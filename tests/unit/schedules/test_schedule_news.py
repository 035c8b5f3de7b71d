"""What operators and the product's owners learn of schedules: events and metrics."""

import pytest

from shared.kernel.telemetry import flush_metrics
from tests.support.logs import logged, metrics_in
from tests.support.model import says
from tests.support.schedules import HOURLY, Planner


def test_a_schedule_of_an_agent_is_news_for_the_products_owners(
    planner: Planner, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the fields that the original has; one of a message is not."""
    flush_metrics()
    capsys.readouterr()
    with logged() as lines:
        schedule = planner.agent_schedule(HOURLY)
        planner.message_schedule(HOURLY)
    told = lines.one("copilot_agent_scheduled")
    agent = planner.agents.library.get("ada", schedule.library_agent_id)
    assert {name: told[name] for name in ("user_id", "graph_id", "graph_name", "schedule_id", "schedule_name")} == {
        "user_id": "ada",
        "graph_id": agent.graph_id,
        "graph_name": agent.name,
        "schedule_id": schedule.id,
        "schedule_name": "Greet",
    }
    assert (told["cron"], told["library_agent_id"]) == ("0 * * * *", agent.id)
    flush_metrics()
    assert metrics_in(capsys.readouterr().out)["CopilotAgentScheduled"] == 1


def test_a_fire_is_counted_and_how_late_the_tick_was(planner: Planner, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind the time that its user has chosen, and its jitter."""
    schedule = planner.agent_schedule(HOURLY)
    flush_metrics()
    capsys.readouterr()
    with logged() as lines:
        planner.tick_at("2025-06-15T16:00:42")
    fired = lines.one("schedule.fired")
    assert (fired["schedule_id"], fired["task_id"], fired["user_id"]) == (
        schedule.id,
        planner.again(schedule).last_task,
        "ada",
    )
    assert fired["seconds"] == 42
    flush_metrics()
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["ScheduleFired"], counted["ScheduleLag"]) == (1, [42.0])


def test_what_a_user_or_a_device_starts_is_never_late(planner: Planner, capsys: pytest.CaptureFixture[str]) -> None:
    """It would hide how late the tick is."""
    now, bound = planner.agent_schedule(HOURLY), planner.agent_schedule(HOURLY, device="laptop")
    flush_metrics()
    capsys.readouterr()
    with logged() as lines:
        planner.firing.run_now("ada", now.id)
        planner.parley.clock.advance(7_200)
        planner.firing.device_returned("ada", "laptop")
    fired = {entry["schedule_id"]: entry for entry in lines.entries if entry["event"] == "schedule.fired"}
    assert fired.keys() == {now.id, bound.id}
    assert all("seconds" not in entry for entry in fired.values())
    flush_metrics()
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["ScheduleFired"], "ScheduleLag" in counted) == (2, False)


def test_what_had_to_wait_is_never_late_either(planner: Planner, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether for the run before or for a session that is busy; the next one that needn't wait is measured again."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("Yes?"), says("Title"), says("It has."))
    queued = planner.agent_schedule(HOURLY, overlap="queue")
    planner.tick_at("2025-06-15T16:00:10")
    parley.send(session)
    message = planner.message_schedule(HOURLY, session.id)
    planner.tick_at("2025-06-15T17:00:10")
    planner.minutes(20)
    parley.settle()
    planner.agents.until_quiet()
    flush_metrics()
    capsys.readouterr()
    with logged() as lines:
        planner.minutes()
    fired = [entry for entry in lines.entries if entry["event"] == "schedule.fired"]
    assert {entry["schedule_id"] for entry in fired} == {queued.id, message.id}
    assert all("seconds" not in entry for entry in fired)
    flush_metrics()
    assert "ScheduleLag" not in metrics_in(capsys.readouterr().out)
    planner.agents.until_quiet()
    with logged() as lines:
        planner.tick_at("2025-06-15T18:00:10")
    assert {entry["seconds"] for entry in lines.entries if entry["event"] == "schedule.fired"} == {10}
